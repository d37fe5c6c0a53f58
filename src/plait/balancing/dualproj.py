"""The sum of the gradients, moved to where it harms no task."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from .gradient import GradientBalancer
from .torchjd_weights import dualproj_weights

__all__ = ["DualProj"]


class DualProj(GradientBalancer):
    """Take the plain sum of the gradients, and project it to where no task is harmed.

    The step nearest to the sum among those with `d · g_j ≥ 0` for all j: weights v that make `vᵀMv`
    least with `v ≥ 1` (Lopez-Paz and Ranzato, `Gradient Episodic Memory for Continual Learning
    <https://arxiv.org/abs/1706.08840>`_, 2017). `UPGrad` projects each gradient and adds them up;
    this adds up first, so a task that points against the sum of the others may stand still.
    Weights by torchjd, for equal preferences, times the number of tasks; the projection is ours, as
    in `UPGrad`. Losses on different scales stay so.

    Stability: experimental.

    Example:
        >>> import torch
        >>> rule = DualProj()
        >>> rule.weigh(torch.tensor([[1.0, 0.5], [0.5, 1.0]]), {"click": 1.0, "like": 1.0})
        tensor([1., 1.])

    Args:
        surface: where gradients are read.

    Raises:
        ConfigurationError: no such surface.
    """

    paper = "Lopez-Paz and Ranzato 2017 (GEM)"
    when = "as near to the plain sum as may be, where no task may get worse"
    hears_scale = True

    def weigh(self, gramian: Tensor, losses: Mapping[str, float]) -> Tensor:
        """The weights of the projected sum."""
        return dualproj_weights(gramian) * len(gramian)
