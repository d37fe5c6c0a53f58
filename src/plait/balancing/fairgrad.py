"""Shares of one step, divided fairly; Nash's bargain among them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .checks import check_positive
from .cut import Surface
from .gradient import GradientBalancer

__all__ = ["FairGrad"]

MOST_ITERATIONS = 100
LARGEST = 1e6


class FairGrad(GradientBalancer):
    """Divide what a step can gain fairly among the tasks.

    The weights solve `M w = w^(-1/α)` with M the Gramian (Ban and Ji, `Fair Resource Allocation in
    Multi-Task Learning <https://arxiv.org/abs/2402.15638>`_, 2024). With α = 1 it is the bargain of
    Nash (Navon et al., `Multi-Task Learning as a Bargaining Game <https://arxiv.org/abs/2202.01017>`_,
    2022), on which the scale of a loss has no say; the larger α, the more the worst-off count.

    The equation is where the gradient of `½ wᵀMw - Σ w^p / p`, `p = 1 - 1/α`, vanishes (a logarithm
    for α = 1). That is convex, and Newton's method finds it in a few steps, where the paper and
    torchjd call a general solver. The weights are scaled to sum to the number of tasks: the
    paper's grow as gradients vanish.

    Stability: experimental.

    Example:
        >>> rule = FairGrad()
        >>> rule.weigh(torch.tensor([[4.0, 0.0], [0.0, 1.0]]), {"click": 1.0, "like": 1.0})
        tensor([0.6667, 1.3333])

    Args:
        surface: where gradients are read.
        alpha: α.

    Raises:
        ConfigurationError: an α that is not positive, or no such surface.
    """

    paper = "Ban and Ji 2024; with alpha = 1 Navon et al. 2022 (Nash-MTL)"
    when = "losses on different scales; the usual first choice among gradient rules"

    def __init__(self, *, surface: Surface = "shared", alpha: float = 1.0) -> None:
        super().__init__(surface=surface)
        check_positive(self, alpha=alpha)
        self.alpha = alpha

    def weigh(self, gramian: Tensor, losses: Mapping[str, float]) -> Tensor:
        """The fair weights, in sum the number of tasks."""
        products = gramian.double().numpy()
        lengths = np.sqrt(products.diagonal() / products.diagonal().mean())
        cosines = products / products.diagonal().mean() / np.outer(lengths, lengths)
        weights = _fair(cosines, lengths, 1.0 - 1.0 / self.alpha) / lengths
        return torch.tensor(weights * (len(weights) / weights.sum()), dtype=gramian.dtype)


def _fair(
    cosines: NDArray[np.float64], lengths: NDArray[np.float64], p: float
) -> NDArray[np.float64]:
    """Where `C u = b u^(p-1)`, for `u = w |g|` and `b = |g|^-p`, by a damped Newton's method.

    Opposed gradients may leave no solution but one at infinity; then u stops growing at 1e6.
    """
    scale = lengths**-p
    found = scale ** (1.0 / (2.0 - p))  # right for orthogonal gradients
    for _ in range(MOST_ITERATIONS):
        slope = cosines @ found - scale * found ** (p - 1.0)
        curvature = cosines + np.diag(scale * (1.0 - p) * found ** (p - 2.0))
        step = np.linalg.solve(curvature, slope)
        decrement = float(slope @ step)
        # Half way to the border at most, and shorter while far away: the objective then falls.
        share = min(1.0, 0.5 / max(float((step / found).max()), 1e-300))
        share = min(share, 1.0 / (1.0 + np.sqrt(max(decrement, 0.0)) * (decrement > 0.1)))
        found = found - share * step
        if float(np.abs(step / found).max()) < 1e-14 or found.max() > LARGEST:
            break
    return found
