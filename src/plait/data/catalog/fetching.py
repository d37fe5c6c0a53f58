"""Files from the network, checked against a hash that was known before."""

from __future__ import annotations

import hashlib
import http.client
import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from plait.data.files import replacing
from plait.errors import DataError

__all__ = ["Download", "download"]

_BLOCK = 2**20
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Download:
    """A file that can be fetched: where it lies, what it has to hold, how it is called.

    Attributes:
        url: its address; http or https.
        sha256: SHA-256 of its bytes, 64 digits in small letters.
        file: its name in the folder of the set.

    Raises:
        DataError: on construction, with everything that is wrong.

    Example:
        >>> Download("ftp://example.org/a.csv", "0" * 64, "a.csv")
        Traceback (most recent call last):
        plait.errors.DataError: Download 'ftp://example.org/a.csv': `url` must start with http...
    """

    url: str
    sha256: str
    file: str

    def __post_init__(self) -> None:
        problems = []
        if not self.url.startswith(("https://", "http://")):
            problems.append("`url` must start with http:// or https://")
        if not _SHA256.fullmatch(self.sha256):
            problems.append(f"`sha256` must be 64 hexadecimal digits, got {self.sha256!r}")
        if not self.file or PurePosixPath(self.file).name != self.file:
            problems.append(f"`file` must be a name without folders, got {self.file!r}")
        if problems:
            raise DataError(f"Download {self.url!r}: " + "; ".join(problems) + ".")


def download(wanted: Download, folder: Path, *, timeout: float = 60.0) -> Path:
    """Fetch a file into a folder; it is there whole and checked, or not at all.

    A file that is there already and holds what it should is kept.

    Args:
        wanted: which file.
        folder: where it goes; made where it is missing.
        timeout: seconds without an answer after which the address counts as unreachable.

    Returns:
        The file's path.

    Raises:
        DataError: another file of this name is there, the address cannot be reached, or what came
            is not what was promised.
    """
    path = folder / wanted.file
    if path.exists():
        _check_kept(path, wanted)
        return path
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        found, size = _received(wanted, path, file, timeout)
        if found != wanted.sha256:
            raise DataError(
                f"{wanted.url} gave {size:,} bytes with SHA-256 {found}, but {wanted.sha256} was "
                "expected. Nothing was kept. The download was cut off, or the file has changed at "
                "its source: try again, and do not use it otherwise."
            )
    return path


def _check_kept(path: Path, wanted: Download) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != wanted.sha256:
        raise DataError(
            f"{path} is there already and is another file: its SHA-256 is {found}, "
            f"{wanted.sha256} was expected. Move it away to fetch {wanted.url}."
        )


def _received(wanted: Download, path: Path, file: BinaryIO, timeout: float) -> tuple[str, int]:
    """The SHA-256 and the number of the bytes that came; they stand in the file."""
    state, size = hashlib.sha256(), 0
    try:
        with urllib.request.urlopen(wanted.url, timeout=timeout) as answer:
            while block := answer.read(_BLOCK):
                state.update(block)
                size += file.write(block)
    except urllib.error.HTTPError as error:
        with error:
            reason = f"the server says {error.code} {error.reason}"
        raise _unreachable(wanted, path, reason) from error
    except (OSError, http.client.HTTPException) as error:
        cause = getattr(error, "reason", error)
        raise _unreachable(wanted, path, str(cause) or type(cause).__name__) from error
    return state.hexdigest(), size


def _unreachable(wanted: Download, path: Path, reason: str) -> DataError:
    return DataError(
        f"{wanted.url} cannot be fetched: {reason}. Check the network, or get the file another way "
        f"and put it at {path}; its SHA-256 has to be {wanted.sha256}."
    )
