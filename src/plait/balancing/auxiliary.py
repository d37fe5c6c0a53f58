"""One task that counts, and others that are there to help it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import nnls
from torch import Tensor

from plait.errors import ConfigurationError, UnknownNameError

from .base import TaskFacts
from .checks import check_least
from .cut import Surface
from .gradient import GradientBalancer

__all__ = ["PCD", "AuxiliaryBalancer", "MetaBalance"]


class AuxiliaryBalancer(GradientBalancer):
    """What rules with a target task have in common: the target, and moving means by task.

    Args:
        target: the task that counts.
        surface: where gradients are read.
        beta: decay of the moving means. They are corrected for their start at 0, task by task, so
            that a task which is rarely in a batch does not look smaller than it is.

    Raises:
        ConfigurationError: a decay out of range, or no such surface.
    """

    needs_two_tasks = True

    def __init__(self, *, target: str, surface: Surface, beta: float) -> None:
        super().__init__(surface=surface)
        if not 0 <= beta < 1:
            raise ConfigurationError(
                f"{type(self).__name__}: `beta` must lie in [0, 1), got {beta}."
            )
        self.target = target
        self.beta = beta
        self._means: dict[str, list[float]] = {}  # mean, number of steps

    def prepare(self, facts: Mapping[str, TaskFacts]) -> None:
        """See that the target and at least one other task are there; forget every mean.

        Raises:
            UnknownNameError: the target is no task.
            ConfigurationError: there is no other task.
        """
        name = type(self).__name__
        if self.target not in facts:
            where = f"`target` of {name}"
            raise UnknownNameError(self.target, what="task", known=facts, where=where)
        if len(facts) < 2:
            raise ConfigurationError(
                f"{name} lets other tasks help {self.target!r}, and there is no other task. Add "
                "one, or take `Equal`."
            )
        self._means = {}

    def state_dict(self) -> dict[str, Any]:
        """The moving means."""
        return {task: list(entry) for task, entry in self._means.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take them back."""
        self._means = {task: list(entry) for task, entry in state.items()}

    def _follow(self, values: Mapping[str, float]) -> None:
        """One step of the moving means of these tasks."""
        for task, value in values.items():
            mean, steps = self._means.get(task, [0.0, 0.0])
            self._means[task] = [self.beta * mean + (1 - self.beta) * value, steps + 1]

    def _mean(self, task: str) -> float:
        mean, steps = self._means[task]
        corrected: float = mean / (1 - self.beta**steps)
        return corrected


class MetaBalance(AuxiliaryBalancer):
    """Bring the gradients of helping tasks to the length of the target's.

    `w_k = r |g_target| / |g_k| + 1 - r` for the others, 1 for the target, lengths as moving means
    (He et al., `MetaBalance <https://arxiv.org/abs/2203.06801>`_, 2022). The paper does so for each
    block of parameters; here the surface is one block. A batch without the target uses the last
    mean of its length; before the first there is none, and the weights are 1.

    Stability: experimental.

    Example:
        >>> rule = MetaBalance(target="buy", r=0.5)
        >>> rule.weigh(torch.tensor([[4.0, 0.0], [0.0, 1.0]]), {"click": 1.0, "buy": 1.0})
        tensor([0.7500, 1.0000])

    Args:
        target: the task that counts.
        surface: where gradients are read.
        beta: decay of the moving means.
        r: 1 makes the gradients equally long, 0 leaves them.

    Raises:
        ConfigurationError: a setting out of range, or no such surface.
    """

    paper = "He et al. 2022"
    when = "one task counts, and the others drown it"

    def __init__(
        self, *, target: str, surface: Surface = "shared", beta: float = 0.9, r: float = 0.7
    ) -> None:
        super().__init__(target=target, surface=surface, beta=beta)
        check_least(self, r=r)
        self.r = r

    def weigh(self, gramian: Tensor, losses: Mapping[str, float]) -> Tensor:
        """1 for the target, and what brings the others to its length."""
        self._follow(dict(zip(losses, gramian.diagonal().sqrt().tolist(), strict=True)))
        if self.target not in self._means:
            return torch.ones_like(gramian[0])
        length = self._mean(self.target)
        weights = [
            1.0 if task == self.target else self.r * length / self._mean(task) + 1.0 - self.r
            for task in losses
        ]
        return torch.tensor(weights, dtype=gramian.dtype)


class PCD(AuxiliaryBalancer):
    """Follow the target as closely as may be, while every other task gains at least a little.

    With `ĝ_k = g_k / √(v_k + ε)`, v_k a moving mean of `|g_k|²`, the step is the d nearest to the
    target's `ĝ` with `ĝ_j · d ≥ τ |ĝ_j|²` for the others, made as long as the target's gradient
    (`Not All Objectives Are Born Equal: Priority-Constrained Descent
    <https://arxiv.org/abs/2606.29521>`_, 2026). The multipliers come from non-negative least
    squares on the dual. Where the others cannot all gain at once, the step is the target's alone.
    In a batch without the target all weights are 1.

    Stability: experimental.

    Example:
        >>> rule = PCD(target="buy", tau=0.0)
        >>> rule.weigh(torch.tensor([[1.0, 0.5], [0.5, 1.0]]), {"click": 1.0, "buy": 1.0})
        tensor([0., 1.])

    Args:
        target: the task that counts.
        surface: where gradients are read.
        beta: decay of the moving means.
        tau: τ, the part of its own best progress that each other task is granted.

    Raises:
        ConfigurationError: a setting out of range, or no such surface.
    """

    paper = "Priority-Constrained Descent, 2026"
    when = "one task counts, and the others must only not be lost"

    def __init__(
        self, *, target: str, surface: Surface = "shared", beta: float = 0.999, tau: float = 0.02
    ) -> None:
        super().__init__(target=target, surface=surface, beta=beta)
        if not 0 <= tau <= 1:
            raise ConfigurationError(f"PCD: `tau` must lie in [0, 1], got {tau}.")
        self.tau = tau

    def weigh(self, gramian: Tensor, losses: Mapping[str, float]) -> Tensor:
        """The weights of the nearest step that grants the others their part."""
        tasks, squares = list(losses), gramian.diagonal().tolist()
        self._follow(dict(zip(tasks, squares, strict=True)))
        if self.target not in losses:
            return torch.ones_like(gramian[0])
        first = tasks.index(self.target)
        scales = np.array([1.0 / math.sqrt(self._mean(task) + EPSILON) for task in tasks])
        products = gramian.double().numpy() * np.outer(scales, scales)
        weights = _nearest(products, first, self.tau)
        length = float(weights @ products @ weights)
        magnitude = float(np.abs(weights) @ np.sqrt(products.diagonal())) ** 2
        if length <= ROUNDING * magnitude:
            return torch.zeros_like(gramian[0])
        found = weights * scales * math.sqrt(squares[first] / length)
        return torch.tensor(found, dtype=gramian.dtype)


EPSILON, ROUNDING = 1e-8, 1e-6


def _nearest(products: NDArray[np.float64], first: int, tau: float) -> NDArray[np.float64]:
    """`e_first + Σ μ_j e_j`: least ½|d - g|² with `g_j · d ≥ τ|g_j|²`, by its multipliers μ."""
    others = [place for place in range(len(products)) if place != first]
    between = products[np.ix_(others, others)]
    wanted = tau * between.diagonal() - products[others, first]
    values, vectors = np.linalg.eigh(between)
    kept = values > ROUNDING * values[-1]
    root = np.sqrt(values[kept])[:, None] * vectors[:, kept].T
    multipliers, _ = nnls(root, (vectors[:, kept].T @ wanted) / np.sqrt(values[kept]))
    weights = np.zeros(len(products))
    weights[first] = 1.0
    slack = between @ multipliers - wanted
    if slack.min() >= -1e-6 * products.diagonal().max():
        weights[others] = multipliers
    return weights
