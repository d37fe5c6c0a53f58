"""The first layers of a network, where most of what they read has no gradient."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from .pieces import Pieces, products

__all__ = ["PartlyLearnt", "affine", "affine_each", "partly_learnt", "whole", "worth_parting"]

WORTH = 4
"""Known columns are kept apart where they are at least one in so many."""


_NARROW = 32
"""Layers of so few outputs copy the parts of their weights. Of a part that is not contiguous the
backward pass multiplies the other way round, which takes a gate of four experts ten times as long.
"""


class PartlyLearnt(NamedTuple):
    """The parts of an input: what has a gradient, and what is only known.

    Attributes:
        learnt: `[B, L]`, the columns that come from tables.
        known: `[B, K]`, numbers, without a gradient.
        pieces: numbers that stand between the two and are not written out; None: there are none.
    """

    learnt: Tensor
    known: Tensor
    pieces: Pieces | None = None

    @property
    def widths(self) -> list[int]:
        """Of the three parts, in the order in which weights stand."""
        between = 0 if self.pieces is None else self.pieces.width
        return [self.learnt.shape[1], between, self.known.shape[1]]


def partly_learnt(inputs: Tensor, learnt: int | None) -> Tensor | PartlyLearnt:
    """The input in its two parts, where a backward pass will be spared work by it.

    The gradient of a layer's input costs as much as its forward pass, and known numbers have no use
    for it: with a history most columns are numbers.

    Args:
        inputs: `[B, D]`, the learnt columns first.
        learnt: L; None: all of D.
    """
    if not (inputs.requires_grad and worth_parting(learnt=learnt, width=inputs.shape[1])):
        return inputs
    return PartlyLearnt(inputs[:, :learnt], inputs[:, learnt:].detach())


def worth_parting(*, learnt: int | None, width: int) -> bool:
    """Whether so many learnt columns of an input are few enough to keep the known ones apart."""
    return bool(learnt) and (width - (learnt or 0)) * WORTH >= width


def affine(inputs: Tensor | PartlyLearnt, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`inputs @ weight.T + bias`, `[B, out]`, of a whole input or of one in parts.

    Args:
        inputs: `[B, D]`.
        weight: `[out, D]`.
        bias: `[out]` or None.
    """
    if isinstance(inputs, Tensor):
        return functional.linear(inputs, weight, bias)
    between = None
    if inputs.pieces is not None:
        columns = weight.split(inputs.widths, dim=1)[1]
        (between,) = products(inputs.pieces, columns.unsqueeze(0))
    return _summed(inputs, weight, bias, between)


def affine_each(
    inputs: Tensor | PartlyLearnt, weights: Tensor, biases: Tensor
) -> tuple[Tensor, ...]:
    """`affine` with the weights of E layers that read the same.

    Args:
        inputs: `[B, D]`.
        weights: `[E, out, D]`.
        biases: `[E, out]`.
    """
    # `unbind`, not indexing: its backward pass stacks once and fills no zeros.
    each = zip(weights.unbind(), biases.unbind(), strict=True)
    if isinstance(inputs, Tensor) or inputs.pieces is None:
        return tuple(affine(inputs, weight, bias) for weight, bias in each)
    found = products(inputs.pieces, weights.split(inputs.widths, dim=2)[1])
    return tuple(_summed(inputs, *one, part) for one, part in zip(each, found, strict=True))


def whole(inputs: Tensor | PartlyLearnt) -> Tensor:
    """The input `[B, D]` in one piece again."""
    if isinstance(inputs, Tensor):
        return inputs
    between = [] if inputs.pieces is None else [inputs.pieces.written_out()]
    return torch.cat([inputs.learnt, *between, inputs.known], dim=1)


def _summed(
    inputs: PartlyLearnt, weight: Tensor, bias: Tensor | None, between: Tensor | None
) -> Tensor:
    """What the layer makes of the learnt and the known part, and of what lies between them."""
    learnt, _, known = weight.split(inputs.widths, dim=1)
    if len(weight) <= _NARROW:
        learnt, known = learnt.contiguous(), known.contiguous()
    if between is None:
        return torch.addmm(functional.linear(inputs.known, known, bias), inputs.learnt, learnt.T)
    found = functional.linear(inputs.learnt, learnt, bias).add_(between)
    return torch.addmm(found, inputs.known, known.T) if known.shape[1] else found
