"""The contract of a balancer: from several losses to gradients."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from plait.settings import Nested

from .cut import Cut, Gradients, Surface
from .look import Look

Cost = Literal["plain", "second look", "gradient a task"]
"""What a step costs: a plain one, one more forward pass, or a backward pass a task to a surface."""


class Part(NamedTuple):
    """What one part of a step's rows gives.

    Attributes:
        losses: finite, by task.
        penalty: a loss that no weight touches, or None.
        cut: the tensors of the rule's surface, where it has one.
    """

    losses: Mapping[str, Tensor]
    penalty: Tensor | None = None
    cut: Cut | None = None


Weights = Mapping[str, float | None]
"""The weight of each task in a step; None: the task is left out of it."""


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

    A subclass says in `decide` which weights follow from what the losses say.

    Where torch's process group is set up, a rule decides by the means over all processes, and all
    decide alike. Then every process calls `backward` once a step, whatever tasks its rows have, and
    the caller averages the gradients of the parameters, as `DistributedDataParallel` does.

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

    def backward(
        self, losses: Mapping[str, Tensor], penalty: Tensor | None, cut: Cut | None = None
    ) -> dict[str, float]:
        """Backward pass of the balanced losses and of `penalty`; the weights in effect, by task.

        Args:
            losses: finite, by task.
            penalty: a loss that no weight touches.
            cut: the tensors of `surface`, where the rule has one.
        """
        look, part = Look(), Part(losses, penalty, cut)
        self.look(look, part, is_only=True)
        look.close()
        weights = self.decide(look)
        self.apply(part, weights, look)
        return in_effect(weights)

    def backward_in_parts(self, parts: Sequence[Callable[[], Part]]) -> dict[str, float]:
        """The backward pass of one step whose rows come in several parts.

        The weights follow from all parts together: losses and gradients are added up task by task
        before the rule sees them. Each part is asked for twice, with the same random numbers, or
        once where the rule's weights do not depend on what it would see.

        Args:
            parts: each runs the network on its rows; its losses are means over these.
        """
        look = Look()
        with torch.set_grad_enabled(self.needs_gradients):
            for give in parts:
                self.look(look, _share_of(give, len(parts)))
        look.close()
        weights = self.decide(look)
        for give in parts:
            self.apply(_share_of(give, len(parts)), weights, look)
        return in_effect(weights)

    def look(self, look: Look, part: Part, *, is_only: bool = False) -> None:
        """Add what a part of the step has to say, the only part or one of several."""
        look.add(part.losses)

    @abstractmethod
    def decide(self, look: Look) -> Weights:
        """The weight of each task in this step; state goes one step on."""

    def apply(self, part: Part, weights: Weights, look: Look) -> None:
        """The backward pass of one part by these weights."""
        weighted_backward(part.losses, in_effect(weights), part.penalty)

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
        weights = self._weights(losses)
        weighted_backward(losses, weights, penalty)
        return weights

    def backward_in_parts(self, parts: Sequence[Callable[[], Part]]) -> dict[str, float]:
        """One backward pass a part, each of which is asked for once."""
        weights: dict[str, float] = {}
        for give in parts:
            weights |= self.backward(*_share_of(give, len(parts)))
        return weights

    def decide(self, look: Look) -> Weights:
        """The weights, whatever the losses are."""
        return self._weights(look.losses)

    def _weights(self, tasks: Iterable[str]) -> dict[str, float]:
        return preferred({task: self.weight(task) for task in tasks}, self.preference)


class LossBalancer(Balancer):
    """A rule that reads the values of the losses. Subclasses say which weights follow."""

    @abstractmethod
    def weigh(self, losses: Mapping[str, float]) -> dict[str, float]:
        """The weights of this step, from the losses that are there; state goes one step on."""

    def decide(self, look: Look) -> Weights:
        """The weights by the values of the losses. No gradient goes through the weights."""
        values = {task: float(loss) for task, loss in look.losses.items()}
        return preferred(self.weigh(values) if values else {}, self.preference)


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


def in_effect(weights: Weights) -> dict[str, float]:
    """The weights as numbers: 0 for a task that was left out of the step."""
    return {task: weight or 0.0 for task, weight in weights.items()}


def _share_of(give: Callable[[], Part], parts: int) -> Part:
    """A part whose losses are to be added to those of the others."""
    losses, penalty, cut = give()
    shares = {task: loss / parts for task, loss in losses.items()}
    return Part(shares, None if penalty is None else penalty / parts, cut)
