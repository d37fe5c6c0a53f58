"""The squared norm of each task's gradient on the shared network, by double backward."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from plait.errors import ConfigurationError

from .penalty import Penalty, Step, check_strength, gradients, readings, squared_norm

__all__ = ["GradientNorm", "jacobian_norm"]

Form = Literal["normalised", "ratio", "plain"]
FORMS: tuple[Form, ...] = ("normalised", "ratio", "plain")
DELTA = 1e-12


@dataclass(frozen=True, kw_only=True)
class GradientNorm(Penalty):
    """Penalise each task's squared gradient on the shared network, exactly.

    `R = mean_k ‖∇_φ L_k‖² / (‖J_φ h‖² / n_k + δ)`: how strongly task k pulls at the dense shared
    parameters φ, measured by how strongly φ moves the representation `h` that it reads. The squared
    Frobenius norm of the Jacobian J is that of the `n_k` rows that count, and is estimated by one
    Hutchinson probe, `‖∇_φ⟨h, v⟩‖²` with `v ~ N(0, I)`. The gradient goes through numerator and
    denominator alike.

    `ratio` is just that. A network can make it small by blowing up `h`, so `normalised` multiplies
    it by the mean of `‖h‖²`, held constant. `plain` has no denominator.

    Modules are differentiated twice; looked-up vectors are inputs like any other. With two tasks a
    step takes two to three times as long as a plain one, and more with each further task:
    `FiniteDifference` is the penalty for large logs.

    Stability: experimental.

    Example:
        >>> GradientNorm(strength=3.0, form="plain").factor
        3.0

    Attributes:
        strength: factor λ of the penalty.
        form: `normalised`, `ratio` or `plain`.

    Raises:
        ConfigurationError: a negative strength, or no such form.
    """

    strength: float = 1.0
    form: Form = "normalised"

    def __post_init__(self) -> None:
        check_strength(self.strength, of="GradientNorm")
        if self.form not in FORMS:
            raise ConfigurationError(
                f"GradientNorm: `form` is one of {', '.join(map(repr, FORMS))}; got {self.form!r}."
            )

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
        parameters = tuple(step.parameters.values())
        pull = squared_norm(gradients(step.losses[task], parameters))
        if self.form == "plain" or not pull.requires_grad:
            return pull
        counted = step.rows[task]
        hidden = [r.representation[counted, : step.width] for r in readings(step, task)]
        ratio = pull / (jacobian_norm(hidden, parameters, seed=step.number) + DELTA)
        if self.form == "ratio":
            return ratio
        return ratio * squared_norm(hidden).detach() / counted.sum()


def jacobian_norm(hidden: Iterable[Tensor], parameters: Iterable[Tensor], *, seed: int) -> Tensor:
    """An unbiased estimate of the squared Frobenius norm of a Jacobian, a row on average.

    Args:
        hidden: what is differentiated, each `[n, H]`.
        parameters: what it is differentiated by.
        seed: of the probe. It is drawn beside torch's own generator, whose state stays as it is.
    """
    parts = []
    for number, part in enumerate(hidden):
        generator = torch.Generator(part.device).manual_seed(1_000_003 * seed + number)
        probe = torch.randn(part.shape, generator=generator, dtype=part.dtype, device=part.device)
        parts.append((part * probe).sum() / len(part) ** 0.5)
    return squared_norm(gradients(torch.stack(parts).sum(), parameters))
