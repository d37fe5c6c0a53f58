"""What links ask of the tasks that they tie."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from plait.errors import UnknownNameError
from plait.tasks import Binary, Task

__all__ = ["check_known", "not_a_probability", "unlike_spaces"]


def check_known(names: Iterable[str], tasks: Mapping[str, Task], *, where: str) -> None:
    """Refuse a name that no task has.

    Raises:
        UnknownNameError: with the nearest name that there is.
    """
    for name in names:
        if name not in tasks:
            raise UnknownNameError(name, what="task", known=tasks, where=where)


def not_a_probability(task: Task, *, why: str) -> Iterable[str]:
    """Why the task's logit is not the log odds of one event.

    Args:
        task: the task.
        why: what needs probabilities, and for what: `a chain multiplies probabilities`.
    """
    if not isinstance(task, Binary):
        yield f"{task.name!r} is a {task.kind} task; {why}: use Binary"
        return
    if task.positive_weight is not None:
        yield f"{task.name!r} has a `positive_weight`, which shifts its log odds; use `weight`"
    if task.focal_gamma is not None:
        yield f"{task.name!r} has a `focal_gamma`, which bends its log odds; leave it out"
    if task.trials is not None:
        yield f"{task.name!r} counts `trials`; a chain needs one event a row"


def unlike_spaces(parent: Task, child: Task) -> Iterable[str]:
    """Why a child's label is not the joint event on its parent's rows."""
    if child.space != parent.space:
        yield (
            f"{child.name!r} is defined where `{child.space or 'every row'}`, {parent.name!r} "
            f"where `{parent.space or 'every row'}`. A chained child is the joint event on its "
            "parent's rows: give its label as "
            f"`{_holds(parent)} and {_holds(child)}`, and the parent's `space`"
        )


def _holds(task: Task) -> str:
    """The expression for rows on which a task's label is 1."""
    label = task.label_expression
    return f"{label} == 1" if label.isidentifier() else f"({label})"
