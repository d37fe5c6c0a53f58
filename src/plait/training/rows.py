"""Work on the rows of tables that a batch touched, in torch: runs on every device.

`compiled_rows` has the same functions for a processor, compiled; both give the same numbers.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["AdamStep", "RowKernels", "adagrad", "adam", "catch_up", "follow", "merge"]

INT32_ROWS = (1 << 31) - 1


class AdamStep(NamedTuple):
    """How Adam makes a step.

    Attributes:
        rate: learning rate.
        betas: decays of the means of gradients and of their squares.
        eps: added to the root.
        number: of the step, from 1.
    """

    rate: float
    betas: tuple[float, float]
    eps: float
    number: int

    @property
    def step(self) -> float:
        """What the mean over the root is multiplied by; corrects the bias of the mean."""
        return -self.rate / (1 - self.betas[0] ** self.number)

    @property
    def root(self) -> float:
        """What the root is divided by; corrects the bias of the squares."""
        root: float = (1 - self.betas[1] ** self.number) ** 0.5
        return root


class RowKernels(Protocol):
    """The functions of this module."""

    def merge(self, rows: Tensor, values: Tensor, num_rows: int) -> tuple[Tensor, Tensor]:
        """See `merge`."""

    def adagrad(
        self, weight: Tensor, sums: Tensor, rows: Tensor, gradient: Tensor, rate: float, eps: float
    ) -> None:
        """See `adagrad`."""

    def adam(
        self,
        weight: Tensor,
        mean: Tensor,
        square: Tensor,
        rows: Tensor,
        gradient: Tensor,
        how: AdamStep,
    ) -> None:
        """See `adam`."""

    def catch_up(
        self, weight: Tensor, average: Tensor, last: Tensor, rows: Tensor, passed: Tensor
    ) -> None:
        """See `catch_up`."""

    def follow(
        self, weight: Tensor, average: Tensor, last: Tensor, rows: Tensor, share: float, now: int
    ) -> None:
        """See `follow`."""


def merge(rows: Tensor, values: Tensor, num_rows: int) -> tuple[Tensor, Tensor]:
    """Distinct rows `[R]`, and the sums of their values `[R, d]` in the order of the batch.

    Args:
        rows: int64 `[N]`, below `num_rows`.
        values: `[N, d]`.
        num_rows: rows of the table.
    """
    short = rows.int() if num_rows <= INT32_ROWS else rows  # sorted in half the time
    ordered, order = torch.sort(short, stable=True)
    distinct, counts = torch.unique_consecutive(ordered, return_counts=True)
    offsets = counts.cumsum(0) - counts
    summed = functional.embedding_bag(order, _whole(values), offsets, mode="sum")
    return distinct.long(), summed.to(values.dtype)


def adagrad(
    weight: Tensor, sums: Tensor, rows: Tensor, gradient: Tensor, rate: float, eps: float
) -> None:
    """A step of row-wise Adagrad on distinct rows, in place.

    Args:
        weight: `[V, d]`.
        sums: `[V]`, the running sums of mean squared gradients.
        rows: int64 `[R]`, distinct.
        gradient: `[R, d]`.
        rate: learning rate.
        eps: added to the root.
    """
    gradient = _whole(gradient)
    accumulated = sums.index_select(0, rows) + gradient.square().mean(dim=1)
    sums.index_copy_(0, rows, accumulated)
    step = gradient * (-rate / (accumulated.sqrt() + eps)).unsqueeze(1)
    if weight.dtype == step.dtype:
        weight.index_add_(0, rows, step)
    else:
        _write(weight, rows, weight.index_select(0, rows) + step)


def adam(
    weight: Tensor, mean: Tensor, square: Tensor, rows: Tensor, gradient: Tensor, how: AdamStep
) -> None:
    """A step of Adam on distinct rows, in place.

    Args:
        weight: `[V, d]`.
        mean: `[V, d]`, the running means of gradients.
        square: `[V, d]`, those of their squares.
        rows: int64 `[R]`, distinct.
        gradient: `[R, d]`.
        how: rate, decays and count of the step.
    """
    gradient = _whole(gradient)
    first, second = how.betas
    means = mean.index_select(0, rows).lerp_(gradient, 1 - first)
    squares = square.index_select(0, rows).mul_(second)
    squares.addcmul_(gradient, gradient, value=1 - second)
    mean.index_copy_(0, rows, means)
    square.index_copy_(0, rows, squares)
    step = means.mul_(how.step).div_(squares.sqrt_().div_(how.root).add_(how.eps))
    if weight.dtype == step.dtype:
        weight.index_add_(0, rows, step)
    else:
        _write(weight, rows, weight.index_select(0, rows) + step)


def catch_up(weight: Tensor, average: Tensor, last: Tensor, rows: Tensor, passed: Tensor) -> None:
    """Bring the averages of distinct rows to the step before now, as if they had never waited.

    Args:
        weight: `[V, d]`; these rows have not changed since they were last current.
        average: `[V, d]`, changed in place.
        last: int32 `[V]`, the step at which a row was last current; changed in place.
        rows: int64 `[R]`, distinct.
        passed: float64 `[S + 1]`, sums of the logarithms of the decays up to each step; S is now.
    """
    now = len(passed) - 1
    missed = last.index_select(0, rows).long().to(passed.device)
    current = _whole(weight.index_select(0, rows))
    factor = (passed[now] - passed[missed]).exp().to(current).unsqueeze(1)  # [R, 1]
    _write(average, rows, current + (_whole(average.index_select(0, rows)) - current) * factor)
    last.index_fill_(0, rows, now)


def follow(
    weight: Tensor, average: Tensor, last: Tensor, rows: Tensor, share: float, now: int
) -> None:
    """Move the averages of distinct rows this share of the way to the new weights, in place.

    Args:
        weight: `[V, d]`.
        average: `[V, d]`.
        last: int32 `[V]`; becomes `now` for these rows.
        rows: int64 `[R]`, distinct.
        share: of the way.
        now: the step.
    """
    moved = _whole(average.index_select(0, rows))
    _write(average, rows, moved.lerp_(_whole(weight.index_select(0, rows)), share))
    last.index_fill_(0, rows, now)


def _whole(values: Tensor) -> Tensor:
    """Numbers to reckon with: those of bfloat16 as float32, others as they are."""
    return values.float() if values.dtype == torch.bfloat16 else values


def _write(table: Tensor, rows: Tensor, values: Tensor) -> None:
    """Put values into rows of a table; where it is of bfloat16, rounded by chance."""
    rounded = stochastic_bfloat16(values) if table.dtype == torch.bfloat16 else values
    table.index_copy_(0, rows, rounded)


def stochastic_bfloat16(values: Tensor) -> Tensor:
    """Each number as one of its two neighbours in bfloat16, the nearer the likelier.

    The mean is the number itself, so that steps too small for 8 binary digits still add up: rounded
    to the nearest they would all be lost. Gupta, Agrawal, Gopalakrishnan and Narayanan, `Deep
    Learning with Limited Numerical Precision <https://arxiv.org/abs/1502.02551>`_, 2015.

    Args:
        values: float32, finite.
    """
    below = torch.randint_like(values, 1 << 16, dtype=torch.int32)
    bits = values.contiguous().view(torch.int32) + below
    return (bits >> 16).to(torch.int16).view(torch.bfloat16)
