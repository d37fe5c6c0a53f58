"""Weights by how fast each loss falls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .base import LossBalancer, TaskFacts
from .checks import check_positive
from .softmax import softmax

__all__ = ["DWA"]


class DWA(LossBalancer):
    """Give more weight to a task whose loss falls slowly.

    `w_k = K softmax(r_k / T)` with `r_k` the loss of the last window over that of the window before
    (Dynamic Weight Average; Liu, Johns and Davison, `End-to-End Multi-Task Learning with Attention
    <https://arxiv.org/abs/1803.10704>`_, 2019). The paper's window is an epoch, of which a
    recommender often sees only one: here it is a number of steps. Every weight is 1 until two
    windows are over; a task that a window never saw keeps its older means.

    Stability: experimental.

    Example:
        >>> rule = DWA(window=1)
        >>> [rule.weigh({"click": 1.0, "like": loss})["like"] for loss in (1.0, 1.0, 1.0)]
        [1.0, 1.0, 1.0]

    Args:
        temperature: T; the higher, the more alike are the weights.
        window: steps over which a loss is averaged.

    Raises:
        ConfigurationError: a setting that is not positive.
    """

    paper = "Liu et al. 2019"
    when = "tasks that learn at different speeds; weights stay near 1"

    def __init__(self, *, temperature: float = 2.0, window: int = 100) -> None:
        check_positive(self, temperature=temperature, window=window)
        self.temperature = temperature
        self.window = window
        self._steps = 0
        self._running: dict[str, tuple[float, int]] = {}
        self._past: dict[str, list[float]] = {}

    def prepare(self, facts: Mapping[str, TaskFacts]) -> None:
        """Begin with equal weights."""
        self._steps, self._running, self._past = 0, {}, {}

    def weigh(self, losses: Mapping[str, float]) -> dict[str, float]:
        """Weights by the last two windows; the losses enter the running one."""
        ratios = {t: self._ratio(t) / self.temperature for t in losses if len(self._means(t)) == 2}
        weights = dict.fromkeys(losses, 1.0)
        weights |= {task: len(ratios) * share for task, share in softmax(ratios).items()}
        for task, loss in losses.items():
            total, count = self._running.get(task, (0.0, 0))
            self._running[task] = (total + loss, count + 1)
        self._steps += 1
        if self._steps % self.window == 0:
            for task, (total, count) in self._running.items():
                self._past[task] = [*self._means(task), total / count][-2:]
            self._running = {}
        return weights

    def state_dict(self) -> dict[str, Any]:
        """The running window and the two before it."""
        running = {task: list(entry) for task, entry in self._running.items()}
        past = {task: list(means) for task, means in self._past.items()}
        return {"steps": self._steps, "running": running, "past": past}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take them back."""
        self._steps = state["steps"]
        self._running = {task: (entry[0], entry[1]) for task, entry in state["running"].items()}
        self._past = {task: list(means) for task, means in state["past"].items()}

    def _means(self, task: str) -> list[float]:
        return self._past.get(task, [])

    def _ratio(self, task: str) -> float:
        older, newer = self._means(task)
        return newer / older if older != 0 else 1.0
