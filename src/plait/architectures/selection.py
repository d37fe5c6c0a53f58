"""Rows that chance did not choose: a conversion is seen on clicked rows only."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor
from torch.nn import functional

from .base import Seen
from .chain import Chain

__all__ = ["Selected", "cross_entropy", "selected"]


class Selected(NamedTuple):
    """One batch as an estimator of a conversion rate reads it, row by row.

    Attributes:
        weight: `[B]`, the weight of the row; 0 where either label is missing.
        happened: `[B]`, o: 1 where the parent event happened.
        label: `[B]`, r: the child's label, which means the conversion where o is 1.
        propensity: `[B]`, P(o = 1): the parent's `propensity` where the task names one, else what
            the model predicts, without a gradient.
        logit: `[B]`, of the conversion given the parent event.
    """

    weight: Tensor
    happened: Tensor
    label: Tensor
    propensity: Tensor
    logit: Tensor

    def mean(self, rows: Tensor) -> Tensor:
        """Weighted mean over all rows."""
        return (self.weight * rows).sum() / self.weight.sum()


def selected(chain: Chain, seen: Seen) -> Selected | None:
    """The rows of a batch for a chain; None where no row has both labels."""
    parent, child = chain.parent, chain.child
    weight = seen.weights[child] * (seen.weights[parent] > 0)
    if not weight.sum() > 0:
        return None
    return Selected(
        weight,
        seen.labels[parent].masked_fill(weight == 0, 0.0),
        seen.labels[child].masked_fill(weight == 0, 0.0),
        _propensity(seen, parent).masked_fill(weight == 0, 1.0),
        seen.parameters[chain.conditional].squeeze(-1),
    )


def _propensity(seen: Seen, parent: str) -> Tensor:
    known = seen.extras.get(f"{parent}.propensity")
    return seen.parameters[parent].detach().squeeze(-1).sigmoid() if known is None else known


def cross_entropy(logit: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of each row, also of targets between 0 and 1."""
    return functional.binary_cross_entropy_with_logits(logit, target, reduction="none")
