"""The contract of a balancer: from several losses to gradients."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class TaskFacts:
    """What a balancer may know of a task before training.

    Attributes:
        observed: share of training rows on which the label is observed.
        mean: weighted mean of the observed labels.
        entropy: entropy of the base rate in nats, for binary and multiclass tasks; None elsewhere.
    """

    observed: float
    mean: float
    entropy: float | None = None


class Balancer(ABC):
    """Turns the losses of a step into gradients.

    Stability: experimental.

    `backward` runs the backward pass and answers with the weights that were in effect. A task that
    is absent from the batch has no entry in `losses`, and a loss that is not finite is left out of
    the step by the trainer before this is called; state that belongs to such a task is kept.
    """

    def prepare(self, facts: Mapping[str, TaskFacts]) -> None:
        """Learn what the training set says of the tasks; called once before the first step."""
        return

    @abstractmethod
    def backward(self, losses: Mapping[str, Tensor], penalty: Tensor | None) -> dict[str, float]:
        """Backward pass of the balanced losses and of `penalty`; the weights in effect, by task."""

    def state_dict(self) -> dict[str, Any]:
        """What must be kept for a resumed run; plain numbers and lists."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back what `state_dict` gave."""
        return


class StaticBalancer(Balancer):
    """A balancer whose weights do not change while training. Subclasses say what they are."""

    @abstractmethod
    def weight(self, task: str) -> float:
        """The weight of a task's loss."""

    def backward(self, losses: Mapping[str, Tensor], penalty: Tensor | None) -> dict[str, float]:
        """One backward pass of the weighted sum; a task of weight 0 is left out of it."""
        weights = {task: self.weight(task) for task in losses}
        terms = [loss * weights[task] for task, loss in losses.items() if weights[task] != 0.0]
        if penalty is not None:
            terms.append(penalty)
        if terms:
            torch.stack(terms).sum().backward()
        return weights
