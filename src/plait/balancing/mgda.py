"""The shortest vector among all mixtures of the gradients."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from scipy.optimize import nnls
from torch import Tensor

from .gradient import GradientBalancer

__all__ = ["MGDA"]


class MGDA(GradientBalancer):
    """Step along the shortest mixture of the gradients, which lets every loss fall.

    The weights make `|Σ w_k g_k|` least on the simplex (Sener and Koltun, `Multi-Task Learning as
    Multi-Objective Optimization <https://arxiv.org/abs/1810.04650>`_, 2018), times the number of
    tasks. On the surface `shared` it is the upper bound of the paper, MGDA-UB.

    The paper iterates (Frank and Wolfe), and so does torchjd, to about three digits. Here one
    non-negative least squares gives the minimum: where `|Rx|² + (Σx - 1)²` is least over `x ≥ 0`,
    with `RᵀR` the Gramian, x is a multiple of w.

    The *smallest* gradient leads: a task that is nearly learnt, or whose loss is small by its
    scale, slows down all others.

    Stability: experimental.

    Example:
        >>> rule = MGDA()
        >>> rule.weigh(torch.tensor([[3.0, 0.0], [0.0, 1.0]]), {"click": 1.0, "like": 1.0})
        tensor([0.5000, 1.5000])

    Args:
        surface: where gradients are read.

    Raises:
        ConfigurationError: no such surface.
    """

    paper = "Sener and Koltun 2018"
    when = "to reach a Pareto-stationary point; normalise the losses first"

    def weigh(self, gramian: Tensor, losses: Mapping[str, float]) -> Tensor:
        """The weights of the shortest mixture, in sum the number of tasks."""
        products = gramian.double().numpy()
        values, vectors = np.linalg.eigh(products / products.diagonal().mean())
        root = np.sqrt(values.clip(min=0.0))[:, None] * vectors.T
        size = len(products)
        found, _ = nnls(np.vstack([root, np.ones(size)]), np.append(np.zeros(size), 1.0))
        return torch.tensor(found * (size / found.sum()), dtype=gramian.dtype)
