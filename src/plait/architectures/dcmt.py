"""A conversion rate fitted on clicked rows, and its mirror image on all others."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from plait.errors import TaskError
from plait.modules import MLP

from .base import Seen
from .chain import Chain
from .selection import cross_entropy, selected

__all__ = ["DCMT"]


class DCMT(Chain):
    """Chain two events, and let the rows without the first one teach the second, too.

    Direct entire-space causal multi-task (Zhu et al., `DCMT: A Direct Entire-Space Causal
    Multi-Task Framework for Post-Click Conversion Estimation <https://arxiv.org/abs/2302.06141>`_,
    2023). A second, counterfactual tower predicts `r*`, which is to be `1 - r`. On rows without the
    parent event r* is fitted to 1, on those with it r to the label; both are tied softly. With o
    the parent's label, `ô` its predicted chance (no gradient, within `clip` of 0 and 1) and e the
    cross-entropy, the child's loss gets `weight` times

        Σ (o/ô) e(r, r̂) / Σ (o/ô)
        + Σ ((1-o)/(1-ô)) e(1, r̂*) / Σ ((1-o)/(1-ô))
        + tie · mean |1 - (r̂ + r̂*)|.

    We take the weights self-normalised. The second term holds every row without a click to be one
    that would not have converted, so the conditional output is drawn towards zero by the tie: look
    at its mean on clicked rows.

    Stability: experimental.

    Args:
        parent: the binary task that comes first.
        child: the binary task whose label is the joint event.
        weight: of the three terms, beside the child's own loss on the joint event.
        tie: weight of the third term.
        clip: propensities nearer to 0 or 1 are read as this far away.
        counterfactual: width of the hidden layer of the second tower.
        conditional: how the conditional output is called; None: `{child}_given_{parent}`.
        stop_gradient: keep the loss on the joint event from moving the parent's tower.

    Raises:
        TaskError: a setting that is out of range.
    """

    ties: ClassVar[str] = "two binary tasks on the same rows; the second label is the joint event"
    when: ClassVar[str] = "you compare with ESCM2"

    def __init__(
        self,
        *,
        parent: str,
        child: str,
        weight: float = 1.0,
        tie: float = 0.001,
        clip: float = 0.05,
        counterfactual: int = 64,
        conditional: str | None = None,
        stop_gradient: bool = False,
    ) -> None:
        super().__init__(
            parent=parent, child=child, conditional=conditional, stop_gradient=stop_gradient
        )
        self.weight = weight
        self.tie = tie
        self.clip = clip
        self.counterfactual = counterfactual
        problems = [
            f"`{name}` must not be negative, got {getattr(self, name)}"
            for name in ("weight", "tie")
            if getattr(self, name) < 0
        ]
        if not 0 < clip < 0.5:
            problems.append(f"`clip` must lie between 0 and 0.5, got {clip}")
        if counterfactual < 1:
            problems.append(f"`counterfactual` must be at least 1, got {counterfactual}")
        if problems:
            raise TaskError("DCMT: " + "; ".join(problems) + ".")
        self.mirror: nn.Sequential | None = None

    def build(self, width: int) -> None:
        """The counterfactual tower."""
        self.mirror = nn.Sequential(
            MLP(width, (self.counterfactual,)), nn.Linear(self.counterfactual, 1)
        )

    def losses(self, losses: dict[str, Tensor], seen: Seen) -> dict[str, Tensor]:
        """The three terms are added to the child's loss."""
        rows = selected(self, seen)
        if rows is None or self.child not in losses:
            return losses
        assert self.mirror is not None
        mirrored = self.mirror(seen.representations[self.child]).squeeze(-1)
        propensity = rows.propensity.clamp(self.clip, 1 - self.clip)
        clicked = rows.weight * rows.happened / propensity
        others = rows.weight * (1 - rows.happened) / (1 - propensity)
        tied = (1 - rows.logit.sigmoid() - mirrored.sigmoid()).abs()
        total = _mean(cross_entropy(rows.logit, rows.label), clicked)
        total = total + _mean(cross_entropy(mirrored, torch.ones_like(mirrored)), others)
        total = total + self.tie * rows.mean(tied)
        return {**losses, self.child: losses[self.child] + self.weight * total}

    def extra_repr(self) -> str:
        """The settings, for `repr`."""
        return f"{super().extra_repr()}, weight={self.weight}, tie={self.tie}"


def _mean(rows: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean; 0 where there is no weight."""
    total = weights.sum()
    return (weights * rows).sum() / total.clamp(min=torch.finfo(total.dtype).tiny)
