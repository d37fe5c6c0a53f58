"""The contract of a penalty on the gradients of the tasks, and what such a penalty reads."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from plait.errors import ConfigurationError

__all__ = ["Penalty", "Reading", "Step", "check_strength", "gradients", "readings", "squared_norm"]


class Step(NamedTuple):
    """What a penalty reads of one batch. Only tasks that take part are in it.

    Attributes:
        number: of the step, from 0.
        losses: scalar by task.
        representations: what each tower reads, `[B, H + …]` by task.
        width: H; what stands behind it came past the shared network.
        rows: bool `[B]` by task, the rows that count.
        parameters: the dense parameters of the shared network by name.
        again: the losses with other values of these parameters, all else the same: rows, dropout.
    """

    number: int
    losses: Mapping[str, Tensor]
    representations: Mapping[str, Tensor]
    width: int
    rows: Mapping[str, Tensor]
    parameters: Mapping[str, Tensor]
    again: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]


class Penalty(ABC):
    """A penalty on how strongly the tasks pull at the shared network.

    Stability: experimental.
    """

    @property
    @abstractmethod
    def factor(self) -> float:
        """The λ of `Σ L + λR`. At 0 the penalty is not computed."""

    @abstractmethod
    def penalised(self, step: Step) -> Mapping[str, Tensor]:
        """For each task of the step, a scalar whose gradient is that of its loss and its penalty.

        Its value is not used.
        """


class Reading(NamedTuple):
    """A representation that a loss depends on, and the gradient of the loss there."""

    representation: Tensor
    slope: Tensor


def readings(step: Step, task: str) -> list[Reading]:
    """The representations that a task's loss depends on: its own, and with a link others."""
    distinct = list({id(tensor): tensor for tensor in step.representations.values()}.values())
    slopes = gradients(step.losses[task], distinct)
    pairs = zip(distinct, slopes, strict=True)
    return [Reading(tensor, slope) for tensor, slope in pairs if slope is not None]


def gradients(of: Tensor, inputs: Iterable[Tensor]) -> tuple[Tensor | None, ...]:
    """Gradients that can be differentiated again; None for what `of` does not depend on."""
    return torch.autograd.grad(of, tuple(inputs), create_graph=True, allow_unused=True)


def squared_norm(parts: Iterable[Tensor | None]) -> Tensor:
    """Sum of all squares of all parts; 0 where there are none."""
    squares = [part.square().sum() for part in parts if part is not None]
    return torch.stack(squares).sum() if squares else torch.zeros(())


def check_strength(strength: float, *, of: str) -> None:
    """Refuse a factor that is negative or no number.

    Raises:
        ConfigurationError: saying what came.
    """
    if not 0 <= strength < math.inf:
        raise ConfigurationError(f"{of}: `strength` must be at least 0, got {strength}.")
