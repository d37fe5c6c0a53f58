"""The norm of the gradient, penalised by a second look a small step uphill."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from plait.errors import ConfigurationError

from .penalty import Penalty, Step, squared_norm

__all__ = ["FiniteDifference"]


@dataclass(frozen=True, kw_only=True)
class FiniteDifference(Penalty):
    """Prefer flat places: the penalty is the norm of the gradient, `λ = radius · alpha`.

    With `g` the gradient of the summed losses on the dense shared parameters φ, the step follows
    `(1 - α) ∇L(φ) + α ∇L(φ + r g/‖g‖)`, which is `∇L + λ∇‖g‖` up to order `r²` (Zhao, Zhang and Hu,
    `Penalizing Gradient Norm for Efficiently Improving Generalization in Deep Learning
    <https://arxiv.org/abs/2202.03599>`_, 2022). It asks for a second forward and backward pass and
    for no second derivative. With `alpha=1` it is sharpness-aware minimisation (Foret et al., `SAM
    <https://arxiv.org/abs/2010.01412>`_, 2021) on φ.

    Both passes see the same rows and the same dropout. The direction `g` is that of the losses as
    they are, before any balancer; each task's loss then carries its own part of the penalty, so
    that a balancer weighs both together.

    Stability: experimental.

    Example:
        >>> sam = FiniteDifference(radius=0.1, alpha=1.0)
        >>> sam.factor
        0.1

    Attributes:
        radius: length r of the step uphill.
        alpha: share α of the gradient that is taken there: 0 none of it, 1 all of it; above 1 it
            extrapolates.

    Raises:
        ConfigurationError: a negative radius or share.
    """

    radius: float = 0.05
    alpha: float = 0.5

    def __post_init__(self) -> None:
        problems = []
        if not 0 <= self.radius < math.inf:
            problems.append(f"`radius` must be at least 0, got {self.radius}")
        if not 0 <= self.alpha < math.inf:
            problems.append(f"`alpha` must be at least 0, got {self.alpha}")
        if problems:
            raise ConfigurationError("FiniteDifference: " + "; ".join(problems) + ".")

    @property
    def factor(self) -> float:
        """Radius times share."""
        return self.radius * self.alpha

    def penalised(self, step: Step) -> Mapping[str, Tensor]:
        """The losses here and uphill, mixed by `alpha`."""
        shifted = self._uphill(step)
        if shifted is None:
            return step.losses
        uphill = step.again(shifted)
        return {
            task: loss * (1 - self.alpha) + uphill[task] * self.alpha
            for task, loss in step.losses.items()
            if bool(uphill[task].isfinite())
        }

    def _uphill(self, step: Step) -> dict[str, Tensor] | None:
        """The parameters `radius` further along the gradient; None where it has no direction."""
        total = torch.stack(list(step.losses.values())).sum()
        slopes = torch.autograd.grad(
            total,
            tuple(step.parameters.values()),
            retain_graph=True,
            allow_unused=True,
            materialize_grads=True,
        )
        norm = squared_norm(slopes).sqrt()
        if not 0 < float(norm) < math.inf:
            return None
        pairs = zip(step.parameters.items(), slopes, strict=True)
        return {
            name: parameter + slope * (self.radius / norm) for (name, parameter), slope in pairs
        }
