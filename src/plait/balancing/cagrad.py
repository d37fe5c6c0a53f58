"""Near the mean gradient, where the worst-off task gains most."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import LinearConstraint, minimize
from torch import Tensor

from .checks import check_least
from .cut import Surface
from .gradient import GradientBalancer

__all__ = ["CAGrad"]

STATIONARY = 1e-4

Numbers = np.ndarray[tuple[int], np.dtype[np.float64]]


class CAGrad(GradientBalancer):
    """Stay near the mean gradient, and there help the task that gains least.

    With `g_0` the mean, w makes `g_w · g_0 + c |g_0| |g_w|` least on the simplex, and the step is
    `g_0 + c |g_0| / |g_w| g_w` (Liu et al., `Conflict-Averse Gradient Descent
    <https://arxiv.org/abs/2110.14048>`_, 2021), times the number of tasks. As in the paper, SciPy
    solves the problem in K numbers (SLSQP). Where `|g_w|` is next to nothing, the point is
    stationary and the weights are 0. Losses on different scales stay so.

    Stability: experimental.

    Example:
        >>> rule = CAGrad(c=0.5)
        >>> rule.weigh(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), {"click": 1.0, "like": 1.0})
        tensor([1.5000, 1.5000])

    Args:
        surface: where gradients are read.
        c: how far the step may leave the mean, as a share of its length.

    Raises:
        ConfigurationError: a negative `c`, or no such surface.
    """

    paper = "Liu et al. 2021"
    when = "cosines below 0 in the history, losses on like scales; c = 0 is the plain mean"
    hears_scale = True

    def __init__(self, *, surface: Surface = "shared", c: float = 0.4) -> None:
        super().__init__(surface=surface)
        check_least(self, c=c)
        self.c = c

    def weigh(self, gramian: Tensor, losses: Mapping[str, float]) -> Tensor:
        """One for each, and a share of the mixture that helps the worst-off."""
        products = gramian.double().numpy()
        products = products / products.trace()
        size = len(products)
        radius = self.c * float(np.sqrt(max(products.mean(), 0.0)))  # c |g_0|
        mixture = _worst_mixture(products, radius)
        length = float(np.sqrt(max(mixture @ products @ mixture, 0.0)))
        if length < STATIONARY:
            return torch.zeros_like(gramian[0])
        weights = 1.0 + size * radius / length * mixture
        return torch.tensor(weights, dtype=gramian.dtype)


def _worst_mixture(products: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
    """Where `wᵀM1/K + radius √(wᵀMw)` is least on the simplex."""
    size = len(products)
    slope = products.mean(axis=1)

    def length(w: Numbers) -> float:
        return math.sqrt(max(float(w @ products @ w), 1e-20))

    def value(w: Numbers) -> float:
        return float(slope @ w) + radius * length(w)

    def gradient(w: Numbers) -> Numbers:
        found: Numbers = slope + radius / length(w) * (products @ w)
        return found

    found = minimize(
        value,
        np.full(size, 1.0 / size),
        jac=gradient,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * size,
        constraints=LinearConstraint(np.ones((1, size)), 1.0, 1.0),
        options={"ftol": 1e-15, "maxiter": 200},
    )
    mixture = np.asarray(found.x, dtype=np.float64).clip(min=0.0)
    shares: NDArray[np.float64] = mixture / mixture.sum()
    return shares
