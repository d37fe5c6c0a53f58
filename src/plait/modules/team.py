"""Compiled kernels on the threads that torch's own operations run on.

A kernel is a C function of one address, at which stand whole numbers: where the functions are that
tell a thread its number and the size of its team, then what the kernel wants, arrays as their
addresses. torch's OpenMP team calls it once a thread, and each does the part of its number: rows
that it has at hand, since torch divides them alike. A team of its own would wait for the processors
that torch's threads keep busy between two operations.

Without a GNU OpenMP under torch (macOS, Windows) the caller does all the work.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

__all__ = ["in_parts", "is_alone"]


class Kernel(Protocol):
    """A function that numba compiled for C."""

    @property
    def address(self) -> int | None:
        """Where it stands."""

    @property
    def ctypes(self) -> Any:  # noqa: ANN401  # what `ctypes` makes of a function
        """The same, to be called from Python."""


def in_parts(kernel: Kernel, told: Sequence[Tensor | int]) -> None:
    """Run a kernel, each of torch's threads a part of the work; returns when all is done.

    Args:
        kernel: gives the same numbers whoever does which part.
        told: what the kernel reads behind the two first numbers; a tensor by its address.
    """
    team, wanted = _torch_team(), torch.get_num_threads()
    asked = (0, 0) if team is None or wanted == 1 else _addresses(team)
    numbers = np.array([*asked, *map(_number, told)], dtype=np.int64)
    place = numbers.ctypes.data
    if team is None or wanted == 1:
        kernel.ctypes(place)
    else:  # which may give fewer threads than are wanted: so a kernel asks how many there are
        team.GOMP_parallel(ctypes.c_void_p(kernel.address), ctypes.c_void_p(place), wanted, 0)


def is_alone() -> bool:
    """Whether kernels work on one thread where torch's operations work on several."""
    return _torch_team() is None and torch.get_num_threads() > 1


def _number(one: Tensor | int) -> int:
    if isinstance(one, int):
        return one
    assert one.is_contiguous(), one.stride()
    assert one.device.type == "cpu", one.device
    return one.data_ptr()


def _addresses(team: ctypes.CDLL) -> tuple[int, ...]:
    """Of the functions that tell a thread its number, and how many there are."""
    functions = (team.omp_get_thread_num, team.omp_get_num_threads)
    return tuple(ctypes.cast(one, ctypes.c_void_p).value or 0 for one in functions)


@cache
def _torch_team() -> ctypes.CDLL | None:
    """The OpenMP that torch has loaded, where it is GNU's."""
    mapped = Path("/proc/self/maps")
    if not mapped.exists():
        return None
    for line in mapped.read_text(encoding="utf-8", errors="replace").splitlines():
        path = Path(line.split(maxsplit=5)[-1])
        if path.name.startswith("libgomp") and "torch" in path.parent.as_posix():
            return ctypes.CDLL(str(path))
    return None
