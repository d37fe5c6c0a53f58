"""Weights drawn anew each step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from .base import LossBalancer, TaskFacts
from .softmax import softmax

__all__ = ["RLW"]


class RLW(LossBalancer):
    """Draw the weights: the test that every cleverer rule has to pass.

    `w = K softmax(ξ)` with `ξ ~ N(0, I)`, anew each step (Lin et al., `Reasonable Effectiveness of
    Random Weighting <https://arxiv.org/abs/2111.10603>`_, 2022). The paper's weights sum to 1, ours
    to the number of tasks. The draws come from a seed of their own and the number of the step.

    Stability: experimental.

    Example:
        >>> round(sum(RLW().weigh({"click": 1.0, "like": 1.0}).values()), 6)
        2.0

    Args:
        seed: of the draws.
    """

    paper = "Lin et al. 2022"
    when = "as a yardstick: a rule that does not beat it does nothing"

    def __init__(self, *, seed: int = 0) -> None:
        self.seed = seed
        self._steps = 0

    def prepare(self, facts: Mapping[str, TaskFacts]) -> None:
        """Begin with the first draw."""
        self._steps = 0

    def weigh(self, losses: Mapping[str, float]) -> dict[str, float]:
        """This step's draw."""
        draw = torch.Generator().manual_seed(1_000_003 * self.seed + self._steps)
        self._steps += 1
        logits = torch.randn(len(losses), generator=draw, dtype=torch.float64).tolist()
        shares = softmax(dict(zip(losses, logits, strict=True)))
        return {task: len(losses) * share for task, share in shares.items()}

    def state_dict(self) -> dict[str, Any]:
        """The number of draws."""
        return {"steps": self._steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take it back."""
        self._steps = state["steps"]
