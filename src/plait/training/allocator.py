"""Memory that a step frees stays with the process, for the next step."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["keeping_freed_memory"]

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # names of settings in glibc's malloc.h
_WHILE_TRAINING = 256 * 2**20
_ADAPTED = 32 * 2**20
"""What glibc itself comes to, at most, in a process that has freed large blocks."""


@contextmanager
def keeping_freed_memory(*, wanted: bool) -> Iterator[None]:
    """Let glibc keep what is freed in this block, and give it back to the system at its end.

    A fresh process returns every large tensor to the system as soon as it is freed, and the system
    clears the pages that the next step asks for: a few per cent of a step on a processor, more the
    larger the batch. It is a setting of the whole process. Where the C library is another one, or
    `MALLOC_…` or `GLIBC_TUNABLES` stands in the environment, nothing is done.

    Args:
        wanted: otherwise nothing is done either.
    """
    glibc = _glibc() if wanted else None
    if glibc is None:
        yield
        return
    _set(glibc, _WHILE_TRAINING)
    try:
        yield
    finally:
        _set(glibc, _ADAPTED)
        glibc.malloc_trim(0)


def _set(glibc: ctypes.CDLL, size: int) -> None:
    glibc.mallopt(_MMAP_THRESHOLD, size)
    glibc.mallopt(_TRIM_THRESHOLD, 2 * size)


def _glibc() -> ctypes.CDLL | None:
    """The C library, where it is glibc and nobody has set it up by hand."""
    if os.name != "posix":
        return None
    if any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None
