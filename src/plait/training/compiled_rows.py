"""The functions of `rows`, compiled by numba for a processor, on as many threads as torch's.

Importing this file compiles them, or loads them from numba's cache.

Rows come from a lookup that checked them against the table, so the kernels check nothing. Numbers
are float32 in whole rows; whatever else comes goes to torch. A row is one thread's alone, so that
the numbers do not depend on how many there are.
"""

from __future__ import annotations

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from plait.modules.team import (
    KERNEL,
    Place,
    bounds,
    doubles,
    floats,
    ids,
    in_parts,
    matrix,
    numbers_at,
    shorts,
    take_part,
)

from . import rows as in_torch
from .rows import AdamStep

__all__ = ["adagrad", "adam", "catch_up", "follow", "merge"]

Ids = NDArray[np.int64]
Shorts = NDArray[np.int32]


def merge(rows: Tensor, values: Tensor, num_rows: int) -> tuple[Tensor, Tensor]:
    """As `rows.merge`; the distinct rows stand in the order in which they first came."""
    if not _is_plain(values):
        return in_torch.merge(rows, values, num_rows)
    number, width = values.shape
    distinct = torch.empty_like(rows)
    places = torch.empty(number, dtype=torch.int32)
    slots = np.full(_table_size(number), -1, dtype=np.int32)
    found = _find(rows.contiguous().numpy(), slots, distinct.numpy(), places.numpy())
    summed = torch.empty(found, width)
    in_parts(_sum, (number, width, values, places, summed))
    return distinct[:found], summed


def adagrad(
    weight: Tensor, sums: Tensor, rows: Tensor, gradient: Tensor, rate: float, eps: float
) -> None:
    """As `rows.adagrad`."""
    if not _is_plain(weight, gradient):
        in_torch.adagrad(weight, sums, rows, gradient, rate, eps)
        return
    settings = torch.tensor([rate, eps], dtype=torch.float64)
    in_parts(_adagrad, (*gradient.shape, len(weight), weight, sums, rows, gradient, settings))


def adam(
    weight: Tensor, mean: Tensor, square: Tensor, rows: Tensor, gradient: Tensor, how: AdamStep
) -> None:
    """As `rows.adam`."""
    if not _is_plain(weight, mean, square, gradient):
        in_torch.adam(weight, mean, square, rows, gradient, how)
        return
    numbers = torch.tensor([*how.betas, how.eps, how.step, how.root], dtype=torch.float64)
    shape = (*gradient.shape, len(weight))
    in_parts(_adam, (*shape, weight, mean, square, rows, gradient, numbers))


def catch_up(weight: Tensor, average: Tensor, last: Tensor, rows: Tensor, passed: Tensor) -> None:
    """As `rows.catch_up`."""
    if not _is_plain(weight, average):
        in_torch.catch_up(weight, average, last, rows, passed)
        return
    shape = (len(rows), *weight.shape)
    in_parts(_catch_up, (*shape, weight, average, last, rows, len(passed), passed))


def follow(
    weight: Tensor, average: Tensor, last: Tensor, rows: Tensor, share: float, now: int
) -> None:
    """As `rows.follow`."""
    if not _is_plain(weight, average):
        in_torch.follow(weight, average, last, rows, share, now)
        return
    settings = torch.tensor([share], dtype=torch.float64)
    shape = (len(rows), *weight.shape)
    in_parts(_follow, (*shape, weight, average, last, rows, settings, now))


def _is_plain(*tensors: Tensor) -> bool:
    return all(
        t.device.type == "cpu" and t.dtype == torch.float32 and t.is_contiguous() for t in tensors
    )


def _table_size(number: int) -> int:
    """The power of two that leaves a hash table of so many entries at most half full."""
    return 1 << max(4, (2 * number - 1).bit_length())


@numba.njit("int64(int64[::1], int32[::1], int64[::1], int32[::1])", cache=True, nogil=True)
def _find(rows: Ids, slots: Shorts, distinct: Ids, places: Shorts) -> int:
    """Each row's place among the distinct ones, by open addressing; how many these are.

    Where a row comes for the first time, what is noted is -1 less the place.
    """
    last = len(slots) - 1
    found = 0
    for number in range(len(rows)):
        row = rows[number]
        at = ((row * 0x9E3779B97F4A7C15) >> 32) & last
        while slots[at] >= 0 and distinct[slots[at]] != row:
            at = (at + 1) & last
        if slots[at] < 0:
            slots[at] = found
            distinct[found] = row
            places[number] = -1 - found
            found += 1
        else:
            places[number] = slots[at]
    return found


@numba.cfunc(KERNEL, cache=True, error_model="numpy")
def _sum(place: Place) -> None:
    """The values of each row, added up in the order of the batch."""
    told = numbers_at(place)
    number, width = told[2], told[3]
    values, places = matrix(told[4], number, width), shorts(told[5], number)
    summed = matrix(told[6], number, width)
    part, parts = take_part(place)
    for one in range(number):
        at = places[one]
        is_first = at < 0
        if is_first:
            at = -1 - at
        if at % parts != part:
            continue
        if is_first:
            for column in range(width):
                summed[at, column] = values[one, column]
        else:
            for column in range(width):
                summed[at, column] += values[one, column]


@numba.cfunc(KERNEL, cache=True, fastmath={"reassoc", "contract"}, error_model="numpy")
def _adagrad(place: Place) -> None:
    told = numbers_at(place)
    number, width, num_rows = told[2], told[3], told[4]
    weight, sums = matrix(told[5], num_rows, width), floats(told[6], num_rows)
    rows, gradient = ids(told[7], number), matrix(told[8], number, width)
    rate, eps = doubles(told[9], 2)
    part, parts = take_part(place)
    first, last = bounds(part, parts, number)
    for one in range(first, last):
        row = rows[one]
        square = np.float32(0.0)
        for column in range(width):
            square += gradient[one, column] * gradient[one, column]
        sums[row] += square / np.float32(width)
        step = np.float32(-rate / (np.sqrt(sums[row]) + eps))
        for column in range(width):
            weight[row, column] += step * gradient[one, column]


@numba.cfunc(KERNEL, cache=True, fastmath={"contract"}, error_model="numpy")
def _adam(place: Place) -> None:
    told = numbers_at(place)
    number, width, num_rows = told[2], told[3], told[4]
    weight, mean = matrix(told[5], num_rows, width), matrix(told[6], num_rows, width)
    square = matrix(told[7], num_rows, width)
    rows, gradient = ids(told[8], number), matrix(told[9], number, width)
    first_beta, second_beta, eps, step, root = doubles(told[10], 5)
    to_mean, to_square = np.float32(1 - first_beta), np.float32(1 - second_beta)
    kept, least = np.float32(second_beta), np.float32(eps)
    rate, share = np.float32(step), np.float32(1 / root)
    part, parts = take_part(place)
    first, last = bounds(part, parts, number)
    for one in range(first, last):
        row = rows[one]
        for column in range(width):
            value = gradient[one, column]
            mean[row, column] += to_mean * (value - mean[row, column])
            square[row, column] = kept * square[row, column] + to_square * value * value
            below = np.sqrt(square[row, column]) * share + least
            weight[row, column] += rate * mean[row, column] / below


@numba.cfunc(KERNEL, cache=True, error_model="numpy")
def _catch_up(place: Place) -> None:
    told = numbers_at(place)
    number, num_rows, width = told[2], told[3], told[4]
    weight, average = matrix(told[5], num_rows, width), matrix(told[6], num_rows, width)
    last_steps, rows = shorts(told[7], num_rows), ids(told[8], number)
    passed = doubles(told[10], told[9])
    now = told[9] - 1
    part, parts = take_part(place)
    first, last = bounds(part, parts, number)
    for one in range(first, last):
        row = rows[one]
        factor = np.float32(np.exp(passed[now] - passed[last_steps[row]]))
        for column in range(width):
            current = weight[row, column]
            average[row, column] = current + (average[row, column] - current) * factor
        last_steps[row] = now


@numba.cfunc(KERNEL, cache=True, error_model="numpy")
def _follow(place: Place) -> None:
    told = numbers_at(place)
    number, num_rows, width = told[2], told[3], told[4]
    weight, average = matrix(told[5], num_rows, width), matrix(told[6], num_rows, width)
    last_steps, rows = shorts(told[7], num_rows), ids(told[8], number)
    share = np.float32(doubles(told[9], 1)[0])
    now = told[10]
    part, parts = take_part(place)
    first, last = bounds(part, parts, number)
    for one in range(first, last):
        row = rows[one]
        for column in range(width):
            average[row, column] += share * (weight[row, column] - average[row, column])
        last_steps[row] = now
