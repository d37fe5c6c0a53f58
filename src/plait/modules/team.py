"""Compiled kernels on the threads that torch's own operations run on.

A kernel is a C function of one address, at which stand whole numbers: where the function is that
tells a thread its number, into how many parts the work is divided, then what the kernel wants,
arrays as their addresses. torch's OpenMP team calls it once a thread, and each does the part of its
number: rows that it has at hand, since torch divides them alike. A team of its own would wait for
the processors that torch's threads keep busy between two operations.

Without a GNU OpenMP under torch (macOS, Windows) the caller does all the work.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import cast

import numpy as np
import torch
from llvmlite import ir
from numba import types
from numba.core.ccallback import CFunc
from numba.extending import intrinsic, register_jitable
from numba.np.numpy_support import carray
from numpy.typing import NDArray
from torch import Tensor

__all__ = [
    "KERNEL",
    "Place",
    "bounds",
    "doubles",
    "floats",
    "ids",
    "in_parts",
    "matrix",
    "numbers_at",
    "shorts",
    "take_part",
]

Place = ctypes.c_void_p
Generated = tuple[object, Callable[..., ir.Value]]

KERNEL = "void(voidptr)"
"""The signature of a kernel."""


def in_parts(kernel: CFunc, told: Sequence[Tensor | int], *, parts: int | None = None) -> None:
    """Run a kernel, each thread a part of the work; returns when all is done.

    Args:
        kernel: gives the same numbers whoever does which part.
        told: what the kernel reads behind the two first numbers; a tensor by its address.
        parts: of the work. None: one for each of torch's threads.
    """
    team = _torch_team()
    count = (parts or torch.get_num_threads()) if team else 1
    who = _thread_number(team) if team else 0
    numbers = np.array(
        [who, count, *(one.data_ptr() if isinstance(one, Tensor) else one for one in told)],
        dtype=np.int64,
    )
    place = numbers.ctypes.data
    if count == 1 or team is None:
        kernel.ctypes(place)
    else:
        team.GOMP_parallel(ctypes.c_void_p(kernel.address), ctypes.c_void_p(place), count, 0)


def _thread_number(team: ctypes.CDLL) -> int:
    """The address of the function that tells a thread its number."""
    return ctypes.cast(team.omp_get_thread_num, ctypes.c_void_p).value or 0


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


def _as_pointer(typing: object, address: object) -> Generated:
    """A whole number as an address."""

    def generate(
        context: object, builder: ir.IRBuilder, signature: object, arguments: Sequence[ir.Value]
    ) -> ir.Value:
        return builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())

    return types.voidptr(types.int64), generate


def _call(typing: object, address: object) -> Generated:
    """What the function at an address says: a C function of nothing, to an int."""

    def generate(
        context: object, builder: ir.IRBuilder, signature: object, arguments: Sequence[ir.Value]
    ) -> ir.Value:
        kind = ir.FunctionType(ir.IntType(32), [])
        return builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), [])

    return types.int32(types.int64), generate


_pointer = cast("Callable[[int], Place]", intrinsic(_as_pointer))
_asked = cast("Callable[[int], int]", intrinsic(_call))


@register_jitable
def take_part(place: Place) -> tuple[int, int]:
    """Which part of the work a call of a kernel does, and of how many."""
    told = numbers_at(place)
    part = _asked(told[0]) if told[0] != 0 else 0
    return part, told[1]


@register_jitable
def bounds(part: int, parts: int, rows: int) -> tuple[int, int]:
    """The first row of a part, and the first behind it."""
    return rows * part // parts, rows * (part + 1) // parts


@register_jitable
def numbers_at(place: Place) -> NDArray[np.int64]:
    """What a kernel was told, from the two numbers that `in_parts` puts first."""
    return carray(place, (1 << 16,), np.int64)


@register_jitable
def matrix(address: int, rows: int, width: int) -> NDArray[np.float32]:
    """The float32 `[rows, width]` at an address."""
    return carray(_pointer(address), (rows, width), np.float32)


@register_jitable
def floats(address: int, number: int) -> NDArray[np.float32]:
    """The float32 `[number]` at an address."""
    return carray(_pointer(address), (number,), np.float32)


@register_jitable
def ids(address: int, number: int) -> NDArray[np.int64]:
    """The int64 `[number]` at an address."""
    return carray(_pointer(address), (number,), np.int64)


@register_jitable
def doubles(address: int, number: int) -> NDArray[np.float64]:
    """The float64 `[number]` at an address."""
    return carray(_pointer(address), (number,), np.float64)


@register_jitable
def shorts(address: int, number: int) -> NDArray[np.int32]:
    """The int32 `[number]` at an address."""
    return carray(_pointer(address), (number,), np.int32)
