"""Whether several tasks fit together."""

from __future__ import annotations

from collections.abc import Iterable

from plait.errors import TaskError, UnknownNameError

from .kinds import Task

__all__ = ["check_tasks"]


def check_tasks(tasks: Iterable[Task]) -> tuple[Task, ...]:
    """The tasks as a tuple, or an error that names what does not fit together.

    Raises:
        TaskError: no task, two of one name, or parents that form a circle.
        UnknownNameError: a parent that is not among the tasks.

    Example:
        >>> from plait.tasks import Binary
        >>> check_tasks([Binary("click"), Binary("buy", parents=("clik",))])
        Traceback (most recent call last):
        plait.errors.UnknownNameError: There is no task 'clik' in the parents of 'buy'. Did ...
    """
    found = tuple(tasks)
    names = [task.name for task in found]
    if not found:
        raise TaskError("There is no task. Name at least one thing to predict.")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise TaskError(f"Two tasks share a name: {', '.join(twice)}. Names must differ.")
    if all(task.role == "auxiliary" for task in found):
        raise TaskError("Every task is auxiliary: at least one needs the role 'target'.")
    for task in found:
        for parent in task.parents:
            if parent not in names:
                raise UnknownNameError(
                    parent, what="task", known=names, where=f"the parents of {task.name!r}"
                )
    _check_no_circle({task.name: task.parents for task in found})
    return found


def _check_no_circle(parents: dict[str, tuple[str, ...]]) -> None:
    settled: set[str] = set()
    while len(settled) < len(parents):
        ready = {name for name in parents if set(parents[name]) <= settled} - settled
        if not ready:
            left = ", ".join(sorted(set(parents) - settled))
            raise TaskError(f"The parents of these tasks form a circle: {left}.")
        settled |= ready
