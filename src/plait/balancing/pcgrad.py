"""Conflicting parts of gradients, taken away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from .base import TaskFacts
from .cut import Surface
from .gradient import GradientBalancer
from .torchjd_weights import pcgrad_weights

__all__ = ["PCGrad"]


class PCGrad(GradientBalancer):
    """Take from each gradient what points against another one, then add them up.

    For the other tasks in random order: if `g_i · g_j < 0`, take from `g_i` its part along `g_j`
    (Yu et al., `Gradient Surgery for Multi-Task Learning <https://arxiv.org/abs/2001.06782>`_,
    2020). Without a conflict it is the plain sum. Orders come from a seed of their own and the
    number of the step. Weights by torchjd. The largest gradient still leads: losses on different
    scales stay so.

    Stability: experimental.

    Example:
        >>> import torch
        >>> rule = PCGrad()
        >>> rule.weigh(torch.tensor([[1.0, -0.5], [-0.5, 1.0]]), {"click": 1.0, "like": 1.0})
        tensor([1.5000, 1.5000])

    Args:
        surface: where gradients are read.
        seed: of the orders.

    Raises:
        ConfigurationError: no such surface.
    """

    paper = "Yu et al. 2020"
    when = "cosines below 0 in the history, losses on like scales"
    hears_scale = True

    def __init__(self, *, surface: Surface = "shared", seed: int = 0) -> None:
        super().__init__(surface=surface)
        self.seed = seed
        self._steps = 0

    def prepare(self, facts: Mapping[str, TaskFacts]) -> None:
        """Begin with the first order."""
        self._steps = 0

    def weigh(self, gramian: Tensor, losses: Mapping[str, float]) -> Tensor:
        """1 for each gradient, and what others take from it."""
        self._steps += 1
        return pcgrad_weights(gramian, seed=1_000_003 * self.seed + self._steps)

    def state_dict(self) -> dict[str, Any]:
        """The number of orders that were drawn."""
        return {"steps": self._steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take it back."""
        self._steps = state["steps"]
