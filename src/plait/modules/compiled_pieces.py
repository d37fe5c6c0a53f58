"""Products of weights with encoded numbers that are never written out, compiled by numba.

A number in `P` filled pieces makes of each unit of a layer a piecewise linear function of its
position. So a layer looks its sum up between two edges, in place of `P` products, and its gradient
goes to these two edges: a tenth of the work, and no `[B, M * (2 + P)]` of nearly only ones and
zeros.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from . import kernels
from .pieces import Pieces
from .team import in_parts

__all__ = ["products", "to_weights"]


def products(pieces: Pieces, weights: Tensor) -> list[Tensor]:
    """Of encoded numbers with the weights of E blocks: E tensors `[B, out]`.

    Args:
        pieces: the numbers.
        weights: `[E, out, N]`, in rows of any stride.
    """
    num_blocks, width, _ = weights.shape
    knots = _knots_of(pieces, weights)
    numbers = pieces.numbers.contiguous()
    found = [numbers.new_empty(len(numbers), width) for _ in range(num_blocks)]
    shape = _shape(pieces, num_blocks, width)
    in_parts(kernels.interpolate, (*shape, len(numbers), pieces.counts, numbers, knots, *found))
    return found


def to_weights(pieces: Pieces, gradients: Sequence[Tensor]) -> Tensor:
    """The gradient of the weights `[E, out, N]`, from those of the products.

    Args:
        pieces: the numbers.
        gradients: E tensors `[B, out]`.
    """
    num_blocks, width = len(gradients), gradients[0].shape[1]
    numbers = pieces.numbers.contiguous()
    knots = numbers.new_empty(num_blocks * pieces.num_knots * width)
    shape = _shape(pieces, num_blocks, width)
    each = [one.contiguous() for one in gradients]
    in_parts(kernels.spread, (*shape, len(numbers), pieces.counts, numbers, knots, *each))
    weights = numbers.new_empty(num_blocks, width, pieces.width)
    in_parts(kernels.spread_knots, (*shape, pieces.counts, weights, pieces.width, knots))
    return weights


def _knots_of(pieces: Pieces, weights: Tensor) -> Tensor:
    """What each unit makes of a number's value, of its being missing, and of it at each edge.

    In stretches of units that are worked on together, one after another.
    """
    num_blocks, width, _ = weights.shape
    if weights.stride(2) != 1 or weights.stride(0) != width * weights.stride(1):
        weights = weights.contiguous()
    knots = weights.new_empty(num_blocks * pieces.num_knots * width)
    shape = _shape(pieces, num_blocks, width)
    told = (*shape, pieces.counts, weights.data_ptr(), weights.stride(1), knots)
    in_parts(kernels.gather_knots, told)
    return knots


def _shape(pieces: Pieces, num_blocks: int, width: int) -> tuple[int, int, int, int]:
    return num_blocks, width, len(pieces.counts), pieces.num_knots
