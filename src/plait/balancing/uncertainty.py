"""Weights that are learnt from the losses as noise levels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from .adam import TaskAdam
from .base import LossBalancer, TaskFacts
from .checks import check_positive

__all__ = ["IMTLL", "UW"]

BOUND = 5.0
"""Learnt logarithms stay within this of 0, so that a weight stays within a factor of 148 of 1."""


class UW(LossBalancer):
    """Learn how noisy each task is, and weigh it down by that.

    The objective is `Σ ½ exp(-s_k) L_k + ½ s_k` with a learnt `s_k` a task (Kendall, Gal and
    Cipolla, `Multi-Task Learning Using Uncertainty to Weigh Losses
    <https://arxiv.org/abs/1705.07115>`_, 2018); for binary and multiclass tasks, as in the paper,
    without the first ½. Each `s` starts at 0, has a rate of its own and no decay. A rare event has
    a small cross-entropy, which would drive its weight to infinity: `s` is kept in [-5, 5].

    Stability: experimental.

    Example:
        >>> UW().weigh({"watch": 2.0})
        {'watch': 0.5}

    Args:
        learning_rate: of `s`, in Adam.

    Raises:
        ConfigurationError: a rate that is not positive.
    """

    paper = "Kendall et al. 2018"
    when = "losses on different scales, when nobody has time to tune; watch rare events"

    def __init__(self, *, learning_rate: float = 0.01) -> None:
        check_positive(self, learning_rate=learning_rate)
        self.learning_rate = learning_rate
        self._logs = TaskAdam(learning_rate=learning_rate)
        self._halves: dict[str, float] = {}

    def prepare(self, facts: Mapping[str, TaskFacts]) -> None:
        """Begin at equal noise; remember which tasks classify."""
        self._logs.clear()
        self._halves = {t: 0.5 if fact.entropy is None else 1.0 for t, fact in facts.items()}

    def weigh(self, losses: Mapping[str, float]) -> dict[str, float]:
        """`½ exp(-s)`, or `exp(-s)`; then a step of `s`."""
        weights = {t: self._halves.get(t, 0.5) * math.exp(-self._logs[t]) for t in losses}
        self._logs.step({task: 0.5 - weights[task] * loss for task, loss in losses.items()})
        _keep_within(self._logs, losses)
        return weights

    def state_dict(self) -> dict[str, Any]:
        """The learnt logarithms."""
        return self._logs.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take them back."""
        self._logs.load_state_dict(state)


class IMTLL(LossBalancer):
    """Learn weights under which all losses come to one.

    The objective is `Σ exp(s_k) L_k - s_k` (IMTL-L; Liu et al., `Towards Impartial Multi-task
    Learning <https://openreview.net/forum?id=IMPnRXEWpvr>`_, 2021): where it is least, every
    `exp(s_k) L_k` is 1. Up to a factor it is `UW`. Each `s` is kept in [-5, 5].

    Stability: experimental.

    Example:
        >>> IMTLL().weigh({"watch": 2.0})
        {'watch': 1.0}

    Args:
        learning_rate: of `s`, in Adam.

    Raises:
        ConfigurationError: a rate that is not positive.
    """

    paper = "Liu et al. 2021"
    when = "losses on different scales; the same as UW up to a factor"

    def __init__(self, *, learning_rate: float = 0.01) -> None:
        check_positive(self, learning_rate=learning_rate)
        self.learning_rate = learning_rate
        self._logs = TaskAdam(learning_rate=learning_rate)

    def prepare(self, facts: Mapping[str, TaskFacts]) -> None:
        """Begin at equal weights."""
        self._logs.clear()

    def weigh(self, losses: Mapping[str, float]) -> dict[str, float]:
        """`exp(s)`; then a step of `s`."""
        weights = {task: math.exp(self._logs[task]) for task in losses}
        self._logs.step({task: weights[task] * loss - 1.0 for task, loss in losses.items()})
        _keep_within(self._logs, losses)
        return weights

    def state_dict(self) -> dict[str, Any]:
        """The learnt logarithms."""
        return self._logs.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take them back."""
        self._logs.load_state_dict(state)


def _keep_within(logs: TaskAdam, tasks: Mapping[str, float]) -> None:
    for task in tasks:
        logs.set(task, max(-BOUND, min(BOUND, logs[task])))
