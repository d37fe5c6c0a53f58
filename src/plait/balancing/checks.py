"""What the settings of balancers have to be, and what losses have to be for some of them."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from plait.errors import ConfigurationError, TaskError, TrainingError, UnknownNameError

__all__ = ["check_least", "check_losses", "check_match", "check_positive", "check_weights"]


def check_positive(rule: object, **settings: float) -> None:
    """Refuse a setting that is not a finite number above 0."""
    for name, value in settings.items():
        if not 0 < value < math.inf:
            raise ConfigurationError(
                f"{type(rule).__name__}: `{name}` must be above 0, got {value}."
            )


def check_least(rule: object, **settings: float) -> None:
    """Refuse a setting that is not a finite number of at least 0."""
    for name, value in settings.items():
        if not 0 <= value < math.inf:
            raise ConfigurationError(
                f"{type(rule).__name__}: `{name}` must be at least 0, got {value}."
            )


def check_losses(rule: object, losses: Mapping[str, float]) -> None:
    """Refuse a loss below 0, for a rule that takes its logarithm or its ratio."""
    for task, loss in losses.items():
        if loss < 0:
            raise TrainingError(
                f"{type(rule).__name__} takes losses of at least 0, and that of {task!r} was "
                f"{loss:.4g}. Take a rule that reads no ratios of losses: `Equal`, `Fixed`, "
                "`RLW`, or one that reads gradients."
            )


def check_weights(name: str, weights: Mapping[str, float]) -> None:
    """Refuse weights of tasks that are negative or no numbers, or none of which is positive."""
    if any(not 0 <= weight < math.inf for weight in weights.values()) or not any(weights.values()):
        raise TaskError(f"`{name}` must be at least 0, one of them positive; got {dict(weights)}.")


def check_match(weights: Mapping[str, float], tasks: Collection[str]) -> None:
    """Refuse a task without a weight, and a weight without a task."""
    for task in tasks:
        if task not in weights:
            raise UnknownNameError(task, what="weight for task", known=weights)
    for task in weights:
        if task not in tasks:
            raise UnknownNameError(task, what="task", known=tasks, where="`weights`")
