"""Each gradient moved to where it harms no task."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from .gradient import GradientBalancer
from .torchjd_weights import upgrad_weights

__all__ = ["UPGrad"]


class UPGrad(GradientBalancer):
    """Step in a direction that harms no task: project each gradient on those, and add them up.

    The projection of `g_k` on the cone `{d: d · g_j ≥ 0 for all j}` has the weights v that make
    `vᵀMv` least with `v ≥ e_k` (Quinton and Rey, `Jacobian Descent for Multi-Objective Optimization
    <https://arxiv.org/abs/2406.16232>`_, 2024). Weights by torchjd, their mean times the number of
    tasks; the projection is ours, by SciPy's non-negative least squares, as the Gramian over its
    trace plus 1e-4 on the diagonal. The largest gradient still leads where nothing conflicts.

    Stability: experimental.

    Example:
        >>> import torch
        >>> rule = UPGrad()
        >>> rule.weigh(torch.tensor([[1.0, 0.5], [0.5, 1.0]]), {"click": 1.0, "like": 1.0})
        tensor([1., 1.])

    Args:
        surface: where gradients are read.

    Raises:
        ConfigurationError: no such surface.
    """

    paper = "Quinton and Rey 2024"
    when = "cosines below 0 in the history, losses on like scales; no task may get worse"
    hears_scale = True

    def weigh(self, gramian: Tensor, losses: Mapping[str, float]) -> Tensor:
        """The sum of the projections' weights."""
        return upgrad_weights(gramian) * len(gramian)
