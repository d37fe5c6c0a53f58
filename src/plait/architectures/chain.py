"""Tasks of which one can only follow another: a conversion after a click."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

import torch
from torch import Tensor

from plait.errors import TaskError
from plait.tasks import Task

from .base import Derived, Link
from .checks import check_known, not_a_probability, unlike_spaces

__all__ = ["Chain"]


class Chain(Link):
    """Predict an event that needs another one first, on all rows and without selection bias.

    ESMM (Ma et al., `Entire Space Multi-Task Model <https://arxiv.org/abs/1804.07931>`_, 2018) as a
    link over any architecture: `P(click and conversion) = P(click) · P(conversion | click)`. The
    child's head gives the conditional probability, which has no loss of its own; the child's label
    is the joint event, defined on all rows of the parent. The output `conditional` holds the
    conditional probability.

    The product is taken between logits: with `1/p = (1 + e^-a)(1 + e^-b)` the joint logit is
    `-log(e^-a + e^-b + e^-(a+b))`. That is exact to rounding at any logits, and never above the
    parent's logit, not even in the last bit.

    Longer chains are links one after another, the first step first: `Chain(parent="visit",
    child="conversion")`, then `Chain(parent="conversion", child="purchase")`. The second reads the
    joint logit that the first one gave.

    The conditional probability of rows without the parent event is not identified by any label; it
    is an extrapolation, and known to be drawn towards zero where the parent is fitted badly.

    Stability: stable.

    Example:
        >>> chain = Chain(parent="click", child="buy")
        >>> logits = {"click": torch.zeros(1, 1), "buy": torch.zeros(1, 1)}
        >>> {name: logit.sigmoid().item() for name, logit in chain.connect(logits).items()}
        {'click': 0.5, 'buy': 0.25, 'buy_given_click': 0.5}

    Args:
        parent: the binary task that comes first.
        child: the binary task whose label is the joint event.
        conditional: how the conditional output is called; None: `{child}_given_{parent}`.
        stop_gradient: keep the child's loss from moving the parent's tower and all below it.
    """

    ties: ClassVar[str] = "two binary tasks on the same rows; the second label is the joint event"
    when: ClassVar[str] = "one event can only follow another"

    def __init__(
        self,
        *,
        parent: str,
        child: str,
        conditional: str | None = None,
        stop_gradient: bool = False,
    ) -> None:
        super().__init__()
        self.parent = parent
        self.child = child
        self.conditional = f"{child}_given_{parent}" if conditional is None else conditional
        self.stop_gradient = stop_gradient

    def check(self, tasks: Mapping[str, Task]) -> None:
        """Refuse tasks that are not two steps of one chain.

        Raises:
            UnknownNameError: the parent or the child is not among the tasks.
            TaskError: they cannot be tied; the message holds every reason.
        """
        name = type(self).__name__
        check_known((self.parent, self.child), tasks, where=name)
        problems = list(self._problems(tasks))
        if problems:
            raise TaskError(
                f"{name} from {self.parent!r} to {self.child!r}: " + "; ".join(problems) + "."
            )

    def derived(self) -> tuple[Derived, ...]:
        """The conditional probability, judged on the child's label where the parent's is 1."""
        return (Derived(self.conditional, task=self.child, within=self.parent),)

    def connect(self, parameters: dict[str, Tensor]) -> dict[str, Tensor]:
        """The child's logit becomes that of the joint event; its own becomes `conditional`."""
        parent, conditional = parameters[self.parent], parameters[self.child]
        if self.stop_gradient:
            parent = parent.detach()
        joint = _joint_logit(parent, conditional)
        return {**parameters, self.child: joint, self.conditional: conditional}

    def extra_repr(self) -> str:
        """The settings, for `repr`."""
        return (
            f"parent={self.parent!r}, child={self.child!r}, conditional={self.conditional!r}, "
            f"stop_gradient={self.stop_gradient}"
        )

    def _problems(self, tasks: Mapping[str, Task]) -> Iterable[str]:
        parent, child = tasks[self.parent], tasks[self.child]
        if self.parent == self.child:
            yield "a task cannot follow itself"
        if self.conditional in tasks:
            yield (
                f"the output {self.conditional!r} has the name of a task; "
                "give it another with `conditional`"
            )
        for task in (parent, child):
            yield from not_a_probability(task, why="a chain multiplies probabilities")
        yield from unlike_spaces(parent, child)


def _joint_logit(first: Tensor, second: Tensor) -> Tensor:
    """Logit of the product of two probabilities given by their logits."""
    dtype = torch.promote_types(first.dtype, torch.float32)  # not in half precision
    a, b = first.to(dtype), second.to(dtype)
    return -torch.logsumexp(torch.stack([-a, -b, -a - b]), dim=0)
