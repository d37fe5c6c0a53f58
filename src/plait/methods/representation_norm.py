"""How strongly each task pulls at what the shared network gave it, row by row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from .penalty import Penalty, Step, check_strength, readings, squared_norm

__all__ = ["RepresentationNorm"]


@dataclass(frozen=True, kw_only=True)
class RepresentationNorm(Penalty):
    """Penalise each task's gradient on its representation: a cheap bound of `GradientNorm`.

    `R = mean_k n_k ‖∇_h L_k‖²`, with `h` the representations that the loss of task k depends on and
    `n_k` the rows that count in it. Where the loss is a mean of row losses, `R` is the mean squared
    gradient of a row. By the chain rule it is never below the `ratio` of `GradientNorm`, and only
    towers and heads are differentiated twice.

    Stability: experimental.

    Example:
        >>> RepresentationNorm(strength=0.5).factor
        0.5

    Attributes:
        strength: factor λ of the penalty.

    Raises:
        ConfigurationError: a negative strength.
    """

    strength: float = 1.0

    def __post_init__(self) -> None:
        check_strength(self.strength, of="RepresentationNorm")

    @property
    def factor(self) -> float:
        """The strength."""
        return self.strength

    def penalised(self, step: Step) -> Mapping[str, Tensor]:
        """Each loss with its own part of the penalty."""
        share = self.strength / len(step.losses)
        return {task: loss + share * self.value(step, task) for task, loss in step.losses.items()}

    def value(self, step: Step, task: str) -> Tensor:
        """The penalty of one task."""
        found = squared_norm(reading.slope[:, : step.width] for reading in readings(step, task))
        return found * step.rows[task].sum()
