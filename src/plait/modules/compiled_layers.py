"""Layers over inputs that are not written out, compiled by numba: sums of rows, looked up.

Of a number in pieces, and of a row of a short table, a layer makes the same whenever it comes. So
what all units make of each of them is worked out once a batch, and each row of the batch adds up
what it reads: a product for each column becomes a sum, and its gradient goes back to the rows that
were read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from . import kernels
from .parts import PartlyLearnt
from .team import in_parts

__all__ = ["add_looked_up", "numbered", "to_weights"]


class _Told(NamedTuple):
    """What kernels are told of an input."""

    counts: Tensor
    numbers: Tensor
    num_edges: int
    first: int
    columns: Tensor
    vectors: Tensor
    places: Tensor
    ends: Tensor

    @classmethod
    def of(cls, inputs: PartlyLearnt) -> _Told:
        learnt, _, pieces, short = inputs
        nothing, no_rows = torch.empty(0, dtype=torch.int64), learnt.new_empty(0, 1)
        no_places = torch.empty(len(learnt), 0, dtype=torch.int32)
        return cls(
            nothing if pieces is None else pieces.counts,
            learnt if pieces is None else pieces.numbers.contiguous(),
            0 if pieces is None else pieces.num_edges,
            inputs.widths[0],
            nothing if short is None else short.columns,
            no_rows if short is None else short.vectors.detach().contiguous(),
            no_places if short is None else short.places,
            nothing if short is None else short.ends,
        )

    @property
    def num_rows(self) -> int:
        return self.num_edges + len(self.vectors)

    def layer(self, blocks: int, width: int) -> tuple[int, int, int, int]:
        """What `turn` and `interpolate` are told first."""
        return blocks, width, len(self.counts), self.num_rows

    def of_numbers(
        self, blocks: int, width: int, made: Tensor, outputs: Sequence[Tensor]
    ) -> tuple[Tensor | int, ...]:
        """What `interpolate` and `spread` are told."""
        shape = self.layer(blocks, width)
        return *shape, len(self.places), self.counts, self.numbers, made, *outputs

    def of_rows(
        self, blocks: int, width: int, made: Tensor, outputs: Sequence[Tensor]
    ) -> tuple[Tensor | int, ...]:
        """What `add_rows` and `spread_rows` are told."""
        shape = (blocks, width, self.num_rows, *self.places.shape)
        return *shape, self.places, made, self.num_edges, *outputs

    def short(self, blocks: int, width: int) -> tuple[Tensor | int, ...]:
        """What `tabulate` and `tabulate_back` are told first."""
        num_columns, (num_vectors, dim) = self.places.shape[1], self.vectors.shape
        shape = (blocks, width, self.num_rows, len(self.columns), num_columns, num_vectors, dim)
        return *shape, self.ends, self.vectors


def numbered(
    ids: Tensor, columns: NDArray[np.int64], firsts: NDArray[np.int64]
) -> tuple[Tensor, Tensor, NDArray[np.int64]]:
    """The distinct ids of some columns, those of a column one after another.

    Args:
        ids: int32 `[B, C']`.
        columns: `[C]`, which of them.
        firsts: `[C + 1]`, how many ids the columns before may have.

    Returns:
        int32 `[B, C]`, the number of each id; int64 `[C]`, how many there are up to the end of each
        column; and each distinct id behind those that the columns before it may have.

    Raises:
        IndexError: an id is none of its column's.
    """
    places = torch.empty(len(ids), len(columns), dtype=torch.int32)
    ends = torch.empty(len(columns), dtype=torch.int64)
    marks = np.zeros(firsts[-1], dtype=np.int32)
    read = ids.contiguous().numpy()
    if kernels.number(read, columns, firsts, marks, places.numpy(), ends.numpy()) < 0:
        raise IndexError("An id lies beyond the rows of its table.")
    return places, ends, np.flatnonzero(marks)


def add_looked_up(inputs: PartlyLearnt, weights: Tensor, outputs: Sequence[Tensor]) -> Tensor:
    """Add to the outputs of E layers, each `[B, out]`, what is looked up.

    What units make of it is worked out first, in stretches of units that are worked on together.

    Args:
        inputs: the input.
        weights: `[E, out, D]`.
        outputs: of the other columns.

    Returns:
        The weights of the columns of short tables, turned round: `to_weights` reads them.
    """
    told, (blocks, width, stride) = _Told.of(inputs), weights.shape
    made = weights.new_empty(told.num_rows * blocks * width)
    turned = weights.new_empty(len(told.columns) * blocks * width)
    shape = (*told.layer(blocks, width), len(told.columns), told.counts, told.columns)
    in_parts(kernels.turn, (*shape, weights, stride, made, turned, told.first))
    if len(told.counts):
        in_parts(kernels.interpolate, told.of_numbers(blocks, width, made, outputs))
    if len(told.vectors):
        in_parts(kernels.tabulate, (*told.short(blocks, width), made, turned))
        in_parts(kernels.add_rows, told.of_rows(blocks, width, made, outputs))
    return turned


def to_weights(
    inputs: PartlyLearnt, turned: Tensor, gradients: Sequence[Tensor], weights: Tensor
) -> Tensor:
    """Write the gradient of the columns that are looked up; returns that of the vectors `[n, d]`.

    Args:
        inputs: the input.
        turned: what `add_looked_up` gave.
        gradients: E tensors `[B, out]`.
        weights: `[E, out, D]`, of which these columns are written.
    """
    told, (blocks, width, stride) = _Told.of(inputs), weights.shape
    made = weights.new_zeros(told.num_rows * blocks * width)
    to_turned = torch.empty_like(turned)
    num_stretches = blocks * -(-width // kernels.TOGETHER)
    to_vectors = weights.new_empty(num_stretches, *told.vectors.shape)
    if len(told.counts):
        in_parts(kernels.spread, told.of_numbers(blocks, width, made, gradients))
    if len(told.vectors):
        in_parts(kernels.spread_rows, told.of_rows(blocks, width, made, gradients))
        each = (*told.short(blocks, width), made, turned, to_turned, to_vectors)
        in_parts(kernels.tabulate_back, each)
    shape = (*told.layer(blocks, width), len(told.columns), told.counts, told.columns)
    in_parts(kernels.turn_back, (*shape, weights, stride, made, to_turned, told.first))
    return to_vectors.sum(dim=0)
