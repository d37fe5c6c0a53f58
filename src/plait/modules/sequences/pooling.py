"""Pooling: the order does not count."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from .base import SequenceEncoder

__all__ = ["MaxPooling", "MeanPooling", "SumPooling"]


class MeanPooling(SequenceEncoder):
    """Take the mean of a sequence's vectors; zeros where there are none.

    It is what a model does that names no encoder.

    Stability: experimental.

    Example:
        >>> values, mask = torch.tensor([[[3.0], [0.0]]]), torch.tensor([[True, False]])
        >>> MeanPooling(1)(values, mask)
        tensor([[3.]])

    Args:
        in_features: width of the vectors.
    """

    when: ClassVar[str] = "first: it is what a sequence gets without an encoder"

    def forward(self, values: Tensor, mask: Tensor, target: Tensor | None = None) -> Tensor:
        """The mean over the values that are there, `[B, d]`."""
        number = mask.sum(dim=1, keepdim=True).clamp(min=1)
        return _kept(values, mask).sum(dim=1) / number


class SumPooling(SequenceEncoder):
    """Take the sum of a sequence's vectors, so that a long sequence says more than a short one.

    Stability: experimental.

    Args:
        in_features: width of the vectors.
    """

    when: ClassVar[str] = "how much was done counts"

    def forward(self, values: Tensor, mask: Tensor, target: Tensor | None = None) -> Tensor:
        """The sum over the values that are there, `[B, d]`."""
        return _kept(values, mask).sum(dim=1)


class MaxPooling(SequenceEncoder):
    """Take the largest value of each component: whether anything in the sequence has a trait.

    Stability: experimental.

    Args:
        in_features: width of the vectors.
    """

    when: ClassVar[str] = "one strong sign is enough"

    def forward(self, values: Tensor, mask: Tensor, target: Tensor | None = None) -> Tensor:
        """The largest over the values that are there, `[B, d]`; zeros where there are none."""
        largest = values.masked_fill(~mask.unsqueeze(2), -torch.inf).amax(dim=1)
        return largest.masked_fill(~mask.any(dim=1, keepdim=True), 0.0)


def _kept(values: Tensor, mask: Tensor) -> Tensor:
    return values.masked_fill(~mask.unsqueeze(2), 0.0)
