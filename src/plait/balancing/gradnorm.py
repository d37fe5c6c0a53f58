"""Weights under which all tasks pull alike, more where learning is slow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from .adam import TaskAdam
from .base import TaskFacts
from .checks import check_least, check_positive
from .cut import Surface
from .gradient import GradientBalancer

__all__ = ["GradNorm"]

LEAST_WEIGHT, LEAST_LOSS = 1e-3, 1e-8


class GradNorm(GradientBalancer):
    """Learn weights under which the tasks' gradients get equally long, more so for slow tasks.

    The weights follow the gradient of `Σ_k |w_k |g_k| - Ḡ ρ_k^α|`, the target held constant: Ḡ is
    the mean of `w_k |g_k|`, and `ρ_k` a loss over its first value, over the mean of those ratios
    (Chen et al., `GradNorm <https://arxiv.org/abs/1711.02257>`_, 2018). The paper
    reads the last shared layer, and here it is the surface. A weight moves by Adam, stays above
    0.001, and the weights sum to the number of tasks: those of the tasks in a batch keep their sum.

    Stability: experimental.

    Example:
        >>> rule = GradNorm()
        >>> rule.weigh(torch.tensor([[4.0, 0.0], [0.0, 1.0]]), {"click": 1.0, "like": 1.0})
        tensor([1., 1.])
        >>> rule.weigh(torch.tensor([[4.0, 0.0], [0.0, 1.0]]), {"click": 1.0, "like": 1.0})
        tensor([0.9750, 1.0250])

    Args:
        surface: where gradients are read.
        alpha: how much more a slow task gets; 0: all gradients equally long.
        learning_rate: of the weights.

    Raises:
        ConfigurationError: a setting out of range, or no such surface.
    """

    paper = "Chen et al. 2018"
    when = "losses on different scales and speeds; weights change slowly"

    def __init__(
        self, *, surface: Surface = "shared", alpha: float = 1.5, learning_rate: float = 0.025
    ) -> None:
        super().__init__(surface=surface)
        check_least(self, alpha=alpha)
        check_positive(self, learning_rate=learning_rate)
        self.alpha = alpha
        self.learning_rate = learning_rate
        self._scales = TaskAdam(learning_rate=learning_rate, start=1.0)
        self._first: dict[str, float] = {}

    def prepare(self, facts: Mapping[str, TaskFacts]) -> None:
        """Begin at equal weights."""
        self._scales.clear()
        self._first = {}

    def weigh(self, gramian: Tensor, losses: Mapping[str, float]) -> Tensor:
        """The weights as they are; then they move."""
        weights = {task: self._scales[task] for task in losses}
        lengths = dict(zip(losses, gramian.diagonal().sqrt().tolist(), strict=True))
        for task, loss in losses.items():
            self._first.setdefault(task, max(loss, LEAST_LOSS))
        ratios = {task: max(loss, 0.0) / self._first[task] for task, loss in losses.items()}
        mean_ratio = max(sum(ratios.values()) / len(ratios), LEAST_LOSS)
        pulls = {task: weights[task] * lengths[task] for task in losses}
        mean_pull = sum(pulls.values()) / len(pulls)
        slopes = {}
        for task, pull in pulls.items():
            beyond = pull - mean_pull * (ratios[task] / mean_ratio) ** self.alpha
            slopes[task] = lengths[task] * ((beyond > 0) - (beyond < 0))
        self._scales.step(slopes)
        moved = {task: max(self._scales[task], LEAST_WEIGHT) for task in losses}
        scale = sum(weights.values()) / sum(moved.values())
        for task, weight in moved.items():
            self._scales.set(task, scale * weight)
        return torch.tensor(list(weights.values()), dtype=gramian.dtype)

    def state_dict(self) -> dict[str, Any]:
        """Weights, moments and first losses."""
        return {"weights": self._scales.state_dict(), "first": dict(self._first)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take them back."""
        self._scales.load_state_dict(state["weights"])
        self._first = dict(state["first"])
