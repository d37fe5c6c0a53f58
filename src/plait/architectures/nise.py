"""Unclicked rows with the model's own prediction for a label: a baseline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

import torch
from torch import Tensor

from plait.errors import TaskError
from plait.tasks import Task

from .base import Link, Seen
from .checks import check_known, not_a_probability
from .selection import cross_entropy

__all__ = ["NISE"]


class NISE(Link):
    """Compare with a method that labels unclicked rows by its own predictions. Mind its trap.

    NISE (Huang et al., `Utilizing Non-click Samples via Semi-supervised Learning for Conversion
    Rate Prediction <https://doi.org/10.1145/3640457.3688151>`_, 2024). The loss of the child, a
    conversion that is defined on clicked rows, becomes

        L = w / N · (sum_{clicked} e(r, p) + sum_{unclicked} e(p, p)),
        w = alpha · min(L_click / L_unweighted, beta),

    with N the rows of both kinds, e the cross-entropy, and w taken as a number.

    The trap: the second sum is the entropy of the prediction, and p stands in it undetached. Its
    gradient in the logit z is `-z p (1 - p)`. For a rare event, p = 0.005, that is +0.026, while
    calling the row negative outright would give +0.005: unclicked rows are pushed to zero *harder*
    than if they had been labelled so. A metric that counts unclicked rows as negative will praise
    that. Judge it on clicked rows, or on a simulation that knows the truth; `ESCM2` is the
    estimator to use.

    Stability: experimental.

    Args:
        parent: the binary task that comes first, on all rows.
        child: the binary task that is defined on the rows where the parent's label is 1: give it
            a `space` such as `click == 1`.
        alpha: weight of the loss.
        beta: w is never above `alpha · beta`.

    Raises:
        TaskError: a setting that is not positive.
    """

    ties: ClassVar[str] = "two binary tasks; the second defined where the first is 1"
    when: ClassVar[str] = "as a baseline only"

    def __init__(self, *, parent: str, child: str, alpha: float = 1.0, beta: float = 50.0) -> None:
        super().__init__()
        self.parent = parent
        self.child = child
        self.alpha = alpha
        self.beta = beta
        problems = [
            f"`{name}` must be positive, got {value}"
            for name, value in (("alpha", alpha), ("beta", beta))
            if not value > 0
        ]
        if problems:
            raise TaskError("NISE: " + "; ".join(problems) + ".")

    def check(self, tasks: Mapping[str, Task]) -> None:
        """Refuse tasks that are no click and no conversion of clicked rows.

        Raises:
            UnknownNameError: the parent or the child is not among the tasks.
            TaskError: they cannot be tied; the message holds every reason.
        """
        check_known((self.parent, self.child), tasks, where="NISE")
        problems = list(self._problems(tasks))
        if problems:
            raise TaskError(
                f"NISE from {self.parent!r} to {self.child!r}: " + "; ".join(problems) + "."
            )

    def losses(self, losses: dict[str, Tensor], seen: Seen) -> dict[str, Tensor]:
        """The child's loss is replaced; that of the parent stays."""
        shown, clicked = seen.weights[self.parent], seen.labels[self.parent] == 1
        of_clicked = seen.weights[self.child] * (clicked & (shown > 0))
        of_others = shown * ~clicked
        total = (of_clicked + of_others).sum()
        if self.parent not in losses or not total > 0:
            return losses
        logit = seen.parameters[self.child].squeeze(-1)
        label = seen.labels[self.child].masked_fill(of_clicked == 0, 0.0)
        rows = of_clicked * cross_entropy(logit, label)
        rows = rows + of_others * cross_entropy(logit, logit.sigmoid())
        loss = rows.sum() / total
        with torch.no_grad():
            ratio = losses[self.parent] / loss.clamp(min=torch.finfo(loss.dtype).tiny)
            weight = self.alpha * ratio.clamp(max=self.beta)
        return {**losses, self.child: weight * loss}

    def extra_repr(self) -> str:
        """The settings, for `repr`."""
        return f"parent={self.parent!r}, child={self.child!r}, alpha={self.alpha}, beta={self.beta}"

    def _problems(self, tasks: Mapping[str, Task]) -> Iterable[str]:
        parent, child = tasks[self.parent], tasks[self.child]
        if self.parent == self.child:
            yield "a task cannot follow itself"
            return
        for task in (parent, child):
            yield from not_a_probability(task, why="the entropy is that of a probability")
        if child.space is None or child.space == parent.space:
            yield (
                f"{child.name!r} is defined where `{child.space or 'every row'}`; it must be "
                f"defined where {parent.name!r} is 1: give it `space`"
            )
