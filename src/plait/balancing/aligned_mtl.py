"""Gradients made orthogonal and equally long before they are added."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from .gradient import GradientBalancer
from .torchjd_weights import aligned_mtl_weights

__all__ = ["AlignedMTL"]


class AlignedMTL(GradientBalancer):
    """Take away both conflict and dominance: make the gradients orthogonal and equally long.

    With the Gramian `M = V Λ Vᵀ`, `w = √λ_min V Λ^(-½) Vᵀ w_0` (Aligned-MTL; Senushkin et al.,
    `Independent Component Alignment for Multi-Task Learning <https://arxiv.org/abs/2305.19000>`_,
    2023), by torchjd. `w_0` is 1 for each task; the paper's sum to 1. A weight may be negative.

    Stability: experimental.

    Example:
        >>> import torch
        >>> rule = AlignedMTL()
        >>> rule.weigh(torch.tensor([[4.0, 0.0], [0.0, 1.0]]), {"click": 1.0, "like": 1.0})
        tensor([0.5000, 1.0000])

    Args:
        surface: where gradients are read.

    Raises:
        ConfigurationError: no such surface.
    """

    paper = "Senushkin et al. 2023"
    when = "conflicts and different scales at once"

    def weigh(self, gramian: Tensor, losses: Mapping[str, float]) -> Tensor:
        """The closed form, times the number of tasks."""
        return aligned_mtl_weights(gramian) * len(gramian)
