"""Files that are there whole or not at all, and checksums that say whether they still are."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from plait.errors import ArtifactError

FORMAT = "plait-artifact"
VERSION = 1
INDEX = "artifact.json"
CARD = "README.md"


@contextmanager
def writing(folder: Path) -> Iterator[Path]:
    """A folder beside `folder` to write into; renamed to it when the block ends well.

    What was there before stays until then, and nothing is left behind when the block fails.

    Raises:
        ArtifactError: the disk is full or the folder cannot be written to.
    """
    beside = folder.with_name(folder.name + ".writing")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        yield beside
        for path in _files(beside):
            with path.open("rb") as handle:
                os.fsync(handle.fileno())
        old = folder.with_name(folder.name + ".old")
        shutil.rmtree(old, ignore_errors=True)
        if folder.exists():
            folder.rename(old)
        beside.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    except (OSError, SafetensorError) as error:
        raise ArtifactError(
            folder,
            found=f"it cannot be written ({getattr(error, 'strerror', None) or error})",
            way_out="Free some space or give another folder; what was there before is untouched",
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def write_index(folder: Path, content: Mapping[str, Any]) -> None:
    """Write `artifact.json`: what this is, and the checksum of every file but the card.

    The card is for people, who may write into it.
    """
    files = {
        path.relative_to(folder).as_posix(): checksum(path)
        for path in _files(folder)
        if path.name != CARD
    }
    form = {"format": FORMAT, "version": VERSION, **content, "files": files}
    (folder / INDEX).write_text(json.dumps(form, indent=1) + "\n", encoding="utf-8")


def read_index(folder: Path) -> dict[str, Any]:
    """The content of `artifact.json`, with every file checked against its checksum.

    Raises:
        ArtifactError: no artifact, a newer version, a file that is missing or was changed.
    """
    path = folder / INDEX
    if not path.exists():
        raise ArtifactError(
            folder,
            found="there is no artifact here (no `artifact.json`)",
            way_out="Give the folder of a run that has finished, or its `artifact` folder",
        )
    form = _read_json(path)
    if form.get("format") != FORMAT or form.get("version") != VERSION:
        raise ArtifactError(
            path,
            found=f"format {form.get('format')!r}, version {form.get('version')!r}",
            way_out=f"This plait reads {FORMAT!r}, version {VERSION}: install the plait that "
            f"wrote it (plait {form.get('plait', 'unknown')})",
        )
    for name, expected in form["files"].items():
        _check(folder / name, expected)
    return form


def checksum(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _check(path: Path, expected: str) -> None:
    if not path.exists():
        raise ArtifactError(
            path, found="the file is missing", way_out="Copy the whole folder again"
        )
    if checksum(path) != expected:
        raise ArtifactError(
            path,
            found="the file is not what was written (its checksum differs)",
            way_out="Copy the whole folder again, or train anew",
        )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        form: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ArtifactError(
            path, found=f"not valid JSON ({error})", way_out="Copy the whole folder again"
        ) from error
    return form


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
