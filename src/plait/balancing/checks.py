"""What the settings of balancers have to be, and what losses have to be for some of them."""

from __future__ import annotations

import math
from collections.abc import Mapping

from plait.errors import ConfigurationError, TrainingError

__all__ = ["check_least", "check_losses", "check_positive"]


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
