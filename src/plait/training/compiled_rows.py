"""The functions of `rows`, compiled by numba for a processor, on as many threads as torch's.

Rows come from a lookup that checked them against the table, so the kernels check nothing. Numbers
are float32 in whole rows; whatever else comes goes to torch. A row is one thread's alone, so that
the numbers do not depend on how many there are.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from plait.modules import kernels
from plait.modules.team import in_parts

from . import rows as in_torch
from .rows import AdamStep

__all__ = ["adagrad", "adam", "catch_up", "follow", "merge"]


def merge(rows: Tensor, values: Tensor, num_rows: int) -> tuple[Tensor, Tensor]:
    """As `rows.merge`; the distinct rows stand in the order in which they first came."""
    if not _is_plain(values):
        return in_torch.merge(rows, values, num_rows)
    number, width = values.shape
    distinct = torch.empty_like(rows)
    places = torch.empty(number, dtype=torch.int32)
    slots = np.full(_table_size(number), -1, dtype=np.int32)
    found = kernels.find(rows.contiguous().numpy(), slots, distinct.numpy(), places.numpy())
    summed = torch.empty(found, width)
    in_parts(kernels.sum_rows, (number, width, values, places, summed))
    return distinct[:found], summed


def adagrad(
    weight: Tensor, sums: Tensor, rows: Tensor, gradient: Tensor, rate: float, eps: float
) -> None:
    """As `rows.adagrad`."""
    if not _is_plain(weight, gradient):
        in_torch.adagrad(weight, sums, rows, gradient, rate, eps)
        return
    settings = torch.tensor([rate, eps], dtype=torch.float64)
    in_parts(
        kernels.adagrad, (*gradient.shape, len(weight), weight, sums, rows, gradient, settings)
    )


def adam(
    weight: Tensor, mean: Tensor, square: Tensor, rows: Tensor, gradient: Tensor, how: AdamStep
) -> None:
    """As `rows.adam`."""
    if not _is_plain(weight, mean, square, gradient):
        in_torch.adam(weight, mean, square, rows, gradient, how)
        return
    numbers = torch.tensor([*how.betas, how.eps, how.step, how.root], dtype=torch.float64)
    shape = (*gradient.shape, len(weight))
    in_parts(kernels.adam, (*shape, weight, mean, square, rows, gradient, numbers))


def catch_up(weight: Tensor, average: Tensor, last: Tensor, rows: Tensor, passed: Tensor) -> None:
    """As `rows.catch_up`."""
    if not _is_plain(weight, average):
        in_torch.catch_up(weight, average, last, rows, passed)
        return
    shape = (len(rows), *weight.shape)
    in_parts(kernels.catch_up, (*shape, weight, average, last, rows, len(passed), passed))


def follow(
    weight: Tensor, average: Tensor, last: Tensor, rows: Tensor, share: float, now: int
) -> None:
    """As `rows.follow`."""
    if not _is_plain(weight, average):
        in_torch.follow(weight, average, last, rows, share, now)
        return
    settings = torch.tensor([share], dtype=torch.float64)
    shape = (len(rows), *weight.shape)
    in_parts(kernels.follow, (*shape, weight, average, last, rows, settings, now))


def _is_plain(*tensors: Tensor) -> bool:
    return all(
        t.device.type == "cpu" and t.dtype == torch.float32 and t.is_contiguous() for t in tensors
    )


def _table_size(number: int) -> int:
    """The power of two that leaves a hash table of so many entries at most half full."""
    return 1 << max(4, (2 * number - 1).bit_length())
