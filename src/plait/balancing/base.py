"""The contract of a balancer: from several losses to gradients."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from plait.settings import Nested

from .cut import Cut, Gradients, Surface

Cost = Literal["plain", "second look", "gradient a task"]
"""What a step costs: a plain one, one more forward pass, or a backward pass a task to a surface."""


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


class Balancer(Nested, ABC):
    """Turns the losses of a step into gradients.

    Stability: experimental.

    `backward` runs the backward pass and answers with the weights that were in effect. A task that
    is absent from the batch has no entry in `losses`, and a loss that is not finite is left out of
    the step by the trainer before this is called; state that belongs to such a task is kept.

    Attributes:
        surface: where the rule wants each task's gradient; None where it reads none.
        surfaces: what `surface` may be.
        cost: what a step costs beside a plain one.
        needs_gradients: whether it reads the gradient of each task.
        needs_second_look: whether `after_step` wants the losses of the same rows after the step.
        needs_two_tasks: whether it has no meaning for a single task.
        draws_preferences: whether `draw` gives a preference for every step, which the network is
            to read.
        preference: how many times a task is to be heard, on top of what the rule says; set by a
            rule that wraps this one. None: each once.
        paper: where the rule was published; empty for what needs no paper.
        when: in which case it is worth trying.
        gradients: what the last `backward` saw of the tasks' gradients; None where it saw none.
    """

    surface: Surface | None = None
    surfaces: tuple[Surface, ...] = ()
    cost: Cost = "plain"
    needs_gradients: bool = False
    needs_second_look: bool = False
    needs_two_tasks: bool = False
    draws_preferences: bool = False
    preference: Mapping[str, float] | None = None
    paper: str = ""
    when: str = ""
    gradients: Gradients | None = None

    def prepare(self, facts: Mapping[str, TaskFacts]) -> None:
        """Learn what the training set says of the tasks, and forget every earlier run.

        Called once before the first step, and before `load_state_dict`.
        """
        return

    def draw(self) -> dict[str, float] | None:
        """The preference of the step that begins, by task; None: there is none.

        Called once a step, before the losses are computed.
        """
        return None

    @abstractmethod
    def backward(
        self, losses: Mapping[str, Tensor], penalty: Tensor | None, cut: Cut | None = None
    ) -> dict[str, float]:
        """Backward pass of the balanced losses and of `penalty`; the weights in effect, by task.

        Args:
            losses: finite, by task.
            penalty: a loss that no weight touches.
            cut: the tensors of `surface`, where the rule has one.
        """

    def after_step(self, losses: Mapping[str, float]) -> None:
        """See the losses of the same rows after the step, where `needs_second_look`."""
        return

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

    def backward(
        self, losses: Mapping[str, Tensor], penalty: Tensor | None, cut: Cut | None = None
    ) -> dict[str, float]:
        """One backward pass of the weighted sum; a task of weight 0 is left out of it."""
        weights = preferred({task: self.weight(task) for task in losses}, self.preference)
        weighted_backward(losses, weights, penalty)
        return weights


class LossBalancer(Balancer):
    """A rule that reads the values of the losses. Subclasses say which weights follow."""

    @abstractmethod
    def weigh(self, losses: Mapping[str, float]) -> dict[str, float]:
        """The weights of this step, from the losses that are there; state goes one step on."""

    def backward(
        self, losses: Mapping[str, Tensor], penalty: Tensor | None, cut: Cut | None = None
    ) -> dict[str, float]:
        """One backward pass of the weighted sum. No gradient goes through the weights."""
        values = {task: float(loss.detach()) for task, loss in losses.items()}
        weights = preferred(self.weigh(values) if values else {}, self.preference)
        weighted_backward(losses, weights, penalty)
        return weights


def preferred(
    weights: Mapping[str, float], preference: Mapping[str, float] | None
) -> dict[str, float]:
    """The weights of a rule, each so many times as its task is to be heard."""
    if preference is None:
        return dict(weights)
    return {task: weight * preference[task] for task, weight in weights.items()}


def weighted_backward(
    losses: Mapping[str, Tensor], weights: Mapping[str, float], penalty: Tensor | None
) -> None:
    """One backward pass of the weighted losses and the penalty; what weighs 0 is left out."""
    terms = [loss * weights[task] for task, loss in losses.items() if weights[task] != 0.0]
    if penalty is not None:
        terms.append(penalty)
    if terms:
        torch.stack(terms).sum().backward()
