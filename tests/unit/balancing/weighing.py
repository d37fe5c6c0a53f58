"""A rule's weights and direction for gradients given as a matrix."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from plait.balancing import GradientBalancer

NAMES = tuple("abcdefghijklmnop")


def weights(
    rule: GradientBalancer, g: NDArray[np.float64], losses: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """The weights `[K]` for gradients `[K, P]`; losses are 1 where none are given."""
    values = np.ones(len(g)) if losses is None else losses
    by_task = dict(zip(NAMES[: len(g)], values.tolist(), strict=True))
    return rule.weigh(torch.from_numpy(g @ g.T), by_task).numpy()


def direction(rule: GradientBalancer, g: NDArray[np.float64]) -> NDArray[np.float64]:
    """The weighted sum of the gradients."""
    found: NDArray[np.float64] = weights(rule, g) @ g
    return found
