"""The functions of `rows`, compiled by numba for a processor.

Importing this file compiles them, or loads them from numba's cache.

Rows come from a lookup that checked them against the table, so the kernels check nothing. Numbers
are float32 in whole rows; whatever else comes goes to torch.
"""

from __future__ import annotations

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from . import rows as in_torch

__all__ = ["adagrad", "catch_up", "follow", "merge"]

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]

_MATRIX, _FLOATS, _IDS = "float32[:, ::1]", "float32[::1]", "int64[::1]"


def merge(rows: Tensor, values: Tensor, num_rows: int) -> tuple[Tensor, Tensor]:
    """As `rows.merge`; the distinct rows stand in the order in which they first came."""
    if not _is_plain(values):
        return in_torch.merge(rows, values, num_rows)
    distinct = torch.empty_like(rows)
    summed = torch.empty_like(values)
    slots = np.full(_table_size(len(rows)), -1, dtype=np.int32)
    found = _merge(rows.numpy(), values.numpy(), slots, distinct.numpy(), summed.numpy())
    return distinct[:found], summed[:found]


def adagrad(
    weight: Tensor, sums: Tensor, rows: Tensor, gradient: Tensor, rate: float, eps: float
) -> None:
    """As `rows.adagrad`."""
    if not _is_plain(weight, gradient):
        in_torch.adagrad(weight, sums, rows, gradient, rate, eps)
        return
    _adagrad(weight.detach().numpy(), sums.numpy(), rows.numpy(), gradient.numpy(), rate, eps)


def catch_up(weight: Tensor, average: Tensor, last: Tensor, rows: Tensor, passed: Tensor) -> None:
    """As `rows.catch_up`."""
    if not _is_plain(weight, average):
        in_torch.catch_up(weight, average, last, rows, passed)
        return
    _catch_up(weight.detach().numpy(), average.numpy(), last.numpy(), rows.numpy(), passed.numpy())


def follow(
    weight: Tensor, average: Tensor, last: Tensor, rows: Tensor, share: float, now: int
) -> None:
    """As `rows.follow`."""
    if not _is_plain(weight, average):
        in_torch.follow(weight, average, last, rows, share, now)
        return
    _follow(weight.detach().numpy(), average.numpy(), last.numpy(), rows.numpy(), share, now)


def _is_plain(*tensors: Tensor) -> bool:
    return all(
        t.device.type == "cpu" and t.dtype == torch.float32 and t.is_contiguous() for t in tensors
    )


def _table_size(number: int) -> int:
    """The power of two that leaves a hash table of so many entries at most half full."""
    return 1 << max(4, (2 * number - 1).bit_length())


@numba.njit(f"int64({_IDS}, {_MATRIX}, int32[::1], {_IDS}, {_MATRIX})", cache=True, nogil=True)
def _merge(rows: Ids, values: Floats, slots: NDArray[np.int32], distinct: Ids, sums: Floats) -> int:
    """Find each row's place by open addressing; returns how many rows are distinct."""
    last = len(slots) - 1
    width = values.shape[1]
    found = 0
    for number in range(len(rows)):
        row = rows[number]
        at = ((row * 0x9E3779B97F4A7C15) >> 32) & last
        while slots[at] >= 0 and distinct[slots[at]] != row:
            at = (at + 1) & last
        place = slots[at]
        if place < 0:
            slots[at] = found
            distinct[found] = row
            for column in range(width):
                sums[found, column] = values[number, column]
            found += 1
        else:
            for column in range(width):
                sums[place, column] += values[number, column]
    return found


@numba.njit(
    f"void({_MATRIX}, {_FLOATS}, {_IDS}, {_MATRIX}, float64, float64)",
    cache=True,
    nogil=True,
    fastmath={"reassoc", "contract"},
)
def _adagrad(
    weight: Floats, sums: Floats, rows: Ids, gradient: Floats, rate: float, eps: float
) -> None:
    width = gradient.shape[1]
    for number in range(len(rows)):
        row = rows[number]
        square = np.float32(0.0)
        for column in range(width):
            square += gradient[number, column] * gradient[number, column]
        sums[row] += square / np.float32(width)
        step = np.float32(-rate / (np.sqrt(sums[row]) + eps))
        for column in range(width):
            weight[row, column] += step * gradient[number, column]


@numba.njit(f"void({_MATRIX}, {_MATRIX}, int32[::1], {_IDS}, float64[::1])", cache=True, nogil=True)
def _catch_up(
    weight: Floats, average: Floats, last: NDArray[np.int32], rows: Ids, passed: NDArray[np.float64]
) -> None:
    now = len(passed) - 1
    width = weight.shape[1]
    for number in range(len(rows)):
        row = rows[number]
        factor = np.float32(np.exp(passed[now] - passed[last[row]]))
        for column in range(width):
            current = weight[row, column]
            average[row, column] = current + (average[row, column] - current) * factor
        last[row] = now


@numba.njit(
    f"void({_MATRIX}, {_MATRIX}, int32[::1], {_IDS}, float64, int64)", cache=True, nogil=True
)
def _follow(
    weight: Floats,
    average: Floats,
    last: NDArray[np.int32],
    rows: Ids,
    share: float,
    now: int,
) -> None:
    width = weight.shape[1]
    part = np.float32(share)
    for number in range(len(rows)):
        row = rows[number]
        for column in range(width):
            average[row, column] += part * (weight[row, column] - average[row, column])
        last[row] = now
