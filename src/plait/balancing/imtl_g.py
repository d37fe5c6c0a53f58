"""A direction in which every task gets on alike."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from .gradient import GradientBalancer
from .torchjd_weights import imtl_g_weights

__all__ = ["IMTLG"]


class IMTLG(GradientBalancer):
    """Step in the direction on which every task's gradient has the same projection.

    `d · g_k / |g_k|` is one number for all k (IMTL-G; Liu et al., `Towards Impartial Multi-task
    Learning <https://openreview.net/forum?id=IMPnRXEWpvr>`_, 2021), in closed form by torchjd. The
    scale of a loss has no say at all.

    With three tasks or more a weight may be negative. The paper's sum to 1, which turns the step
    round where they would sum to less than 0; here their sizes sum to the number of tasks. Where
    no direction will do, as between opposed gradients, they are 0.

    Stability: experimental.

    Example:
        >>> import torch
        >>> rule = IMTLG()
        >>> rule.weigh(torch.tensor([[4.0, 0.0], [0.0, 1.0]]), {"click": 1.0, "like": 1.0})
        tensor([0.6667, 1.3333])

    Args:
        surface: where gradients are read.

    Raises:
        ConfigurationError: no such surface.
    """

    paper = "Liu et al. 2021"
    when = "losses on different scales; no task may lead"

    def weigh(self, gramian: Tensor, losses: Mapping[str, float]) -> Tensor:
        """The closed form, its sizes in sum the number of tasks."""
        weights = imtl_g_weights(gramian)
        total = weights.abs().sum()
        return weights * (len(weights) / total) if total > 0 else weights
