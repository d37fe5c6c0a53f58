"""Conversion rates that are right on all rows, though only clicked ones show them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor, nn

from plait.errors import TaskError, TrainingError
from plait.modules import MLP

from .base import Derived, Seen
from .chain import Chain
from .selection import Selected, cross_entropy, selected

__all__ = ["ESCM2"]

Estimator = Literal["ips", "snips", "dr"]


class ESCM2(Chain):
    """Chain two events, and fit the second on the rows where the first happened, weighed up.

    ESCM² (Wang et al., `ESCM²: Entire Space Counterfactual Multi-Task Model for Post-Click
    Conversion Rate Estimation <https://arxiv.org/abs/2204.05125>`_, 2022). To the losses of `Chain`
    it adds, on the child's, `weight` times a risk R of the conditional probability. With o the
    parent's label, r the child's, `ô` the predicted chance of the parent (no gradient, at least
    `clip`), e the cross-entropy of r where o is 1, and N rows:

    - `ips`: `R = 1/N Σ o e / ô`;
    - `snips`: `R = Σ (o e / ô) / Σ (o / ô)`, which is steadier;
    - `dr`: `R = 1/N Σ [ê + o (e - ê) / ô] + 1/N Σ o (e - ê)² / ô`, where the imputed error ê
      is the cross-entropy of a soft label that a tower of its own predicts. The first term moves
      the conversion's tower only, the second the imputing one only: an ê that did not depend on the
      prediction would have no gradient, and `dr` would be `ips`.

    Weights of rows and missing labels are respected: N is the weight of the rows that have both
    labels. The three estimate the same as a loss over all rows would, as long as the chance of the
    parent is predicted well and depends on nothing that the model cannot see.

    Where something outside the model knows that chance (a survey sent by lot, a policy that logs
    it), name it as the parent's `Binary.propensity`: `ô` is then read from there, also where it
    depends on what the model cannot see. Lower `clip` to what you trust, and give the risk a large
    `weight`: the joint event's loss asks for the rate among the selected rows, not among all.

    `dr` is known to be unstable. With good propensities the mean of `o / ô` is 1; if its running
    mean leaves the range from `1 / guard` to `guard`, training stops with an error that says so.

    Stability: experimental.

    Example:
        >>> ESCM2(parent="click", child="buy", estimator="snips").estimator
        'snips'

    Args:
        parent: the binary task that comes first.
        child: the binary task whose label is the joint event.
        estimator: how the rows with the parent event are weighed up.
        weight: of the risk, beside the child's own loss on the joint event.
        clip: propensities below are read as this.
        imputation: widths of the hidden layers of the imputing tower (`dr`).
        guard: how far the mean of `o / ô` may be from 1 (`dr`).
        conditional: how the conditional output is called; None: `{child}_given_{parent}`.
        stop_gradient: keep the loss on the joint event from moving the parent's tower.

    Raises:
        TaskError: a setting that is out of range.
    """

    ties: ClassVar[str] = "two binary tasks on the same rows; the second label is the joint event"
    when: ClassVar[str] = (
        "the conditional rate itself is used, and clicked rows are not like the others"
    )

    running_mean: Tensor
    batches: Tensor

    def __init__(
        self,
        *,
        parent: str,
        child: str,
        estimator: Estimator = "ips",
        weight: float = 0.1,
        clip: float = 0.05,
        imputation: Sequence[int] = (64,),
        guard: float = 2.0,
        conditional: str | None = None,
        stop_gradient: bool = False,
    ) -> None:
        super().__init__(
            parent=parent, child=child, conditional=conditional, stop_gradient=stop_gradient
        )
        self.estimator = estimator
        self.weight = weight
        self.clip = clip
        self.imputation = tuple(imputation)
        self.guard = guard
        problems = list(self._wrong_settings())
        if problems:
            raise TaskError("ESCM2: " + "; ".join(problems) + ".")
        self.imputing: nn.Sequential | None = None
        if estimator == "dr":
            self.register_buffer("running_mean", torch.tensor(0.0))
            self.register_buffer("batches", torch.tensor(0))

    def build(self, width: int) -> None:
        """The imputing tower, where there is one."""
        if self.estimator == "dr":
            hidden = MLP(width, self.imputation)
            self.imputing = nn.Sequential(hidden, nn.Linear(hidden.out_features, 1))

    def derived(self) -> tuple[Derived, ...]:
        """The conditional probability, on all rows where the chance of the parent is known."""
        return tuple(one._replace(least_propensity=self.clip) for one in super().derived())

    def losses(self, losses: dict[str, Tensor], seen: Seen) -> dict[str, Tensor]:
        """The risk is added to the child's loss."""
        rows = selected(self, seen)
        if rows is None or self.child not in losses:
            return losses
        risk = self._risk(rows, seen.representations[self.child])
        return {**losses, self.child: losses[self.child] + self.weight * risk}

    def extra_repr(self) -> str:
        """The settings, for `repr`."""
        return f"{super().extra_repr()}, estimator={self.estimator!r}, weight={self.weight}"

    def _risk(self, rows: Selected, representation: Tensor) -> Tensor:
        inverse = rows.happened / rows.propensity.clamp(min=self.clip)  # o / ô
        error = cross_entropy(rows.logit, rows.label)
        if self.estimator == "ips":
            return rows.mean(inverse * error)
        if self.estimator == "snips":
            total = rows.mean(inverse)
            return rows.mean(inverse * error) / total.clamp(min=torch.finfo(total.dtype).tiny)
        self._watch(rows.mean(inverse))
        assert self.imputing is not None
        soft_label = self.imputing(representation).squeeze(-1).sigmoid()
        imputed = cross_entropy(rows.logit, soft_label.detach())
        doubly_robust = rows.mean(imputed + inverse * (error - imputed))
        imputed = cross_entropy(rows.logit.detach(), soft_label)
        return doubly_robust + rows.mean(inverse * (error.detach() - imputed).square())

    @torch.no_grad()
    def _watch(self, mean: Tensor) -> None:
        """Stop where the weights do not have the mean that right propensities give them."""
        if not self.training:
            return
        self.batches += 1
        self.running_mean.lerp_(mean.to(self.running_mean), 1 - _DECAY)
        known = 1 - _DECAY ** int(self.batches)
        seen = float(self.running_mean) / known
        if self.batches >= _FIRST_LOOK and not 1 / self.guard <= seen <= self.guard:
            raise TrainingError(
                f"ESCM2 from {self.parent!r} to {self.child!r}: the mean of o / ô is {seen:.3g}, "
                f"and with good propensities it would be 1 (`guard` allows {self.guard:g} times as "
                f"much or as little). The doubly robust risk cannot be trusted. Is {self.parent!r} "
                f"rarer than `clip` ({self.clip:g})? Then lower it. Does the task name a "
                "`propensity`? Then correct it. Or take estimator = 'snips'."
            )

    def _wrong_settings(self) -> Iterable[str]:
        if self.estimator not in get_args(Estimator):
            yield f"`estimator` is 'ips', 'snips' or 'dr', got {self.estimator!r}"
        if self.weight < 0:
            yield f"`weight` must not be negative, got {self.weight}"
        if not 0 < self.clip <= 1:
            yield f"`clip` must lie above 0 and not above 1, got {self.clip}"
        if not self.guard > 1:
            yield f"`guard` must be above 1, got {self.guard}"


_DECAY = 0.99
_FIRST_LOOK = 100
