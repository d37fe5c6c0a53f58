"""What a first layer reads, in parts: some are not written out, because sums of rows do as well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["PartlyLearnt", "Pieces", "ShortRows", "encoded", "whole"]


class Pieces(NamedTuple):
    """Numbers that a layer reads as `encoded`, and that stand as they came.

    In P filled pieces a number makes of each unit of a layer a piecewise linear function of its
    position. So what the unit sums up lies between what it makes of two edges.

    Attributes:
        numbers: `[B, 3 * M]`, as `Batch.numbers`.
        counts: int64 `[M]` on the CPU, the pieces of each number.
        width: N, how wide they are encoded.
        num_edges: value and missing of each number, and the edges of those in pieces.
    """

    numbers: Tensor
    counts: Tensor
    width: int
    num_edges: int

    @classmethod
    def of(cls, numbers: Tensor, counts: Sequence[int]) -> Pieces:
        """Numbers `[B, 3 * M]` in so many pieces each."""
        edges = sum(count + 1 for count in counts if count)
        width = 2 * len(counts) + sum(counts)
        return cls(numbers, torch.tensor(counts), width, 2 * len(counts) + edges)

    def written_out(self) -> Tensor:
        """The numbers encoded, `[B, N]`."""
        counts = self.counts.tolist()
        each = self.numbers.view(len(self.numbers), len(counts), 3).split(1, dim=1)
        return torch.cat([encoded(one, n) for one, n in zip(each, counts, strict=True)], dim=1)


class ShortRows(NamedTuple):
    """Vectors of tables so short that a batch reads each row many times: each one once.

    What a unit makes of a row is then worked out once a batch, and looked up.

    Attributes:
        vectors: `[n, d]`, the distinct rows of the first column, then of the second, and so on.
        places: int32 `[B, C]`, which of them a row of the batch reads in each column.
        ends: int64 `[C]` on the CPU, how many there are up to the end of each column.
        columns: int64 `[C * d]`, where the columns' vectors stand in the input.
        others: int64 `[L]`, where the columns of `PartlyLearnt.learnt` stand in the input.
    """

    vectors: Tensor
    places: Tensor
    ends: Tensor
    columns: Tensor
    others: Tensor

    def of_rows(self) -> Tensor:
        """The vectors of each row of the batch, `[B, C * d]`."""
        return functional.embedding(self.places, self.vectors).flatten(1)

    def written_out(self, learnt: Tensor) -> Tensor:
        """The same among those of the other columns."""
        order = torch.cat([self.others, self.columns]).argsort()
        return torch.cat([learnt, self.of_rows()], dim=1).index_select(1, order)


class PartlyLearnt(NamedTuple):
    """The parts of an input: what has a gradient, and behind it what is only known.

    Attributes:
        learnt: `[B, L]`, the columns that come from tables, less those of `short`.
        known: `[B, K]`, numbers, without a gradient.
        pieces: numbers that stand between the two and are not written out; None: there are none.
        short: columns from short tables that stand among the learnt; None: there are none.
    """

    learnt: Tensor
    known: Tensor
    pieces: Pieces | None = None
    short: ShortRows | None = None

    @property
    def widths(self) -> list[int]:
        """Of what is learnt, of the pieces, and of what is known: so weights stand."""
        short = 0 if self.short is None else len(self.short.columns)
        pieces = 0 if self.pieces is None else self.pieces.width
        return [self.learnt.shape[1] + short, pieces, self.known.shape[1]]


def encoded(numbers: Tensor, num_pieces: int) -> Tensor:
    """Numbers of as many pieces, written out side by side: `[B, n * (2 + P)]`.

    Example:
        >>> encoded(torch.tensor([[[0.3, 1.25, 0.0]]]), 3)
        tensor([[0.3000, 0.0000, 1.0000, 0.2500, 0.0000]])

    Args:
        numbers: `[B, n, 3]`: normal quantile, position, 1 where missing.
        num_pieces: P; a position runs from 0 to P.
    """
    piece = torch.arange(num_pieces, device=numbers.device, dtype=numbers.dtype)
    filled = (numbers[:, :, 1:2] - piece).clamp(0.0, 1.0)  # [B, n, P]
    return torch.cat([numbers[:, :, 0::2], filled], dim=2).flatten(1)


def whole(inputs: Tensor | PartlyLearnt) -> Tensor:
    """The input `[B, D]` in one piece again."""
    if isinstance(inputs, Tensor):
        return inputs
    learnt, known, pieces, short = inputs
    learnt = learnt if short is None else short.written_out(learnt)
    between = [] if pieces is None else [pieces.written_out()]
    return torch.cat([learnt, *between, known], dim=1)
