"""Adam on one number a task, for rules that learn their weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

__all__ = ["TaskAdam"]


class TaskAdam:
    """Adam (Kingma and Ba, `Adam <https://arxiv.org/abs/1412.6980>`_, 2015) on a number a task.

    A task without a gradient in a step keeps its number and its moments, as if that step had not
    been. Weight decay is added to the gradient, as in `torch.optim.Adam`.

    Example:
        >>> numbers = TaskAdam(learning_rate=0.1)
        >>> numbers.step({"click": 3.0})
        >>> round(numbers["click"], 3), numbers["like"]
        (-0.1, 0.0)

    Args:
        learning_rate: of every number.
        start: what every number begins with.
        weight_decay: share of the number that is added to its gradient.
    """

    def __init__(
        self, *, learning_rate: float, start: float = 0.0, weight_decay: float = 0.0
    ) -> None:
        self.learning_rate = learning_rate
        self.start = start
        self.weight_decay = weight_decay
        self.betas, self.eps = (0.9, 0.999), 1e-8
        self._state: dict[str, list[float]] = {}  # number, steps, mean, mean of squares

    def __getitem__(self, task: str) -> float:
        return self._state[task][0] if task in self._state else self.start

    def step(self, gradients: Mapping[str, float]) -> None:
        """Move the numbers downhill."""
        for task, gradient in gradients.items():
            number, steps, mean, square = self._state.get(task, [self.start, 0.0, 0.0, 0.0])
            slope = gradient + self.weight_decay * number
            steps += 1
            mean += (slope - mean) * (1 - self.betas[0])
            square += (slope * slope - square) * (1 - self.betas[1])
            length = math.sqrt(square / (1 - self.betas[1] ** steps)) + self.eps
            number -= self.learning_rate * mean / (1 - self.betas[0] ** steps) / length
            self._state[task] = [number, steps, mean, square]

    def set(self, task: str, number: float) -> None:
        """Give a task another number; its moments stay."""
        self._state.setdefault(task, [self.start, 0.0, 0.0, 0.0])[0] = number

    def clear(self) -> None:
        """Begin anew."""
        self._state = {}

    def state_dict(self) -> dict[str, Any]:
        """Numbers and moments by task."""
        return {task: list(state) for task, state in self._state.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back what `state_dict` gave."""
        self._state = {task: list(entry) for task, entry in state.items()}
