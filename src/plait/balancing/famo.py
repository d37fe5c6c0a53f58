"""Weights under which all losses fall at one rate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from .adam import TaskAdam
from .base import Cost, LossBalancer, TaskFacts
from .checks import check_least, check_losses, check_positive
from .look import mean_over_processes
from .softmax import softmax

__all__ = ["FAMO"]

EPSILON = 1e-8


class FAMO(LossBalancer):
    """Let all losses fall by the same share, without a gradient a task.

    The step minimises `c Σ z_k log L_k` with `z = softmax(ξ)` and a `c` for which the weights
    `c z_k / L_k` sum to 1 (Liu et al., `FAMO <https://arxiv.org/abs/2306.03792>`_, 2023); here they
    sum to the number of tasks. After the step the losses of the same rows are looked at again, and
    Adam moves ξ by `Jᵀ (log L_before - log L_after)`, J the Jacobian of the softmax: a task that
    fell less gets more weight. The second look draws the dropout of the first.

    A task that is not in the batch keeps its ξ, and the softmax is over the others.

    Stability: experimental.

    Example:
        >>> weights = FAMO().weigh({"click": 1.0, "watch": 3.0})
        >>> round(weights["click"], 6), round(weights["watch"], 6)
        (1.5, 0.5)

    Args:
        learning_rate: of ξ.
        weight_decay: of ξ, in Adam's gradient.

    Raises:
        ConfigurationError: a rate that is not positive, or a negative decay.
        TrainingError: a negative loss.
    """

    cost: Cost = "second look"
    needs_second_look = True
    paper = "Liu et al. 2023"
    when = (
        "losses on different scales and speeds, many tasks; a second forward pass is all it costs"
    )

    def __init__(self, *, learning_rate: float = 0.025, weight_decay: float = 1e-3) -> None:
        check_positive(self, learning_rate=learning_rate)
        check_least(self, weight_decay=weight_decay)
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self._logits = TaskAdam(learning_rate=learning_rate, weight_decay=weight_decay)
        self._before: dict[str, float] = {}

    def prepare(self, facts: Mapping[str, TaskFacts]) -> None:
        """Begin at equal ξ."""
        self._logits.clear()
        self._before = {}

    def weigh(self, losses: Mapping[str, float]) -> dict[str, float]:
        """Shares over losses, in sum the number of tasks."""
        check_losses(self, losses)
        self._before = {task: loss + EPSILON for task, loss in losses.items()}
        shares = softmax({task: self._logits[task] for task in losses})
        parts = {task: share / self._before[task] for task, share in shares.items()}
        scale = len(parts) / sum(parts.values())
        return {task: scale * part for task, part in parts.items()}

    def after_step(self, losses: Mapping[str, float]) -> None:
        """Move ξ by how far each logarithm of a loss fell."""
        losses = mean_over_processes(losses)
        fallen = {
            task: math.log(before) - math.log(losses[task] + EPSILON)
            for task, before in self._before.items()
            if 0 <= losses.get(task, math.nan) < math.inf
        }
        shares = softmax({task: self._logits[task] for task in fallen})
        mean = sum(shares[task] * fall for task, fall in fallen.items())
        self._logits.step({task: shares[task] * (fall - mean) for task, fall in fallen.items()})
        self._before = {}

    def state_dict(self) -> dict[str, Any]:
        """ξ and its moments."""
        return self._logits.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take them back."""
        self._logits.load_state_dict(state)
