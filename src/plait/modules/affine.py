"""The first layers of a network, where most of what they read has no gradient."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["PartlyLearnt", "affine", "partly_learnt", "whole"]

WORTH = 4
"""Known columns are kept apart where they are at least one in so many."""


_NARROW = 32
"""Layers of so few outputs copy the parts of their weights. Of a part that is not contiguous the
backward pass multiplies the other way round, which takes a gate of four experts ten times as long.
"""


class PartlyLearnt(NamedTuple):
    """The two parts of an input: what has a gradient, and what is only known.

    Attributes:
        learnt: `[B, L]`, the columns that come from tables.
        known: `[B, D - L]`, numbers, without a gradient.
    """

    learnt: Tensor
    known: Tensor


def partly_learnt(inputs: Tensor, learnt: int | None) -> Tensor | PartlyLearnt:
    """The input in its two parts, where a backward pass will be spared work by it.

    The gradient of a layer's input costs as much as its forward pass, and known numbers have no use
    for it: with a history most columns are numbers.

    Args:
        inputs: `[B, D]`, the learnt columns first.
        learnt: L; None: all of D.
    """
    width = inputs.shape[1]
    if learnt is None or (width - learnt) * WORTH < width or not inputs.requires_grad:
        return inputs
    return PartlyLearnt(inputs[:, :learnt], inputs[:, learnt:].detach())


def affine(inputs: Tensor | PartlyLearnt, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`inputs @ weight.T + bias`, `[B, out]`, of a whole input or of one in two parts.

    Args:
        inputs: `[B, D]`.
        weight: `[out, D]`.
        bias: `[out]` or None.
    """
    if isinstance(inputs, Tensor):
        return functional.linear(inputs, weight, bias)
    learnt, known = weight.tensor_split([inputs.learnt.shape[1]], dim=1)
    if len(weight) <= _NARROW:
        learnt, known = learnt.contiguous(), known.contiguous()
    return torch.addmm(functional.linear(inputs.known, known, bias), inputs.learnt, learnt.T)


def whole(inputs: Tensor | PartlyLearnt) -> Tensor:
    """The input `[B, D]` in one piece again."""
    return inputs if isinstance(inputs, Tensor) else torch.cat(inputs, dim=1)
