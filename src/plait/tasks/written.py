"""Tasks as plain data, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from plait.errors import UnknownNameError

from .kinds import TASK_KINDS, Task

__all__ = ["task_from_json", "task_to_json"]


def task_to_json(task: Task) -> dict[str, Any]:
    """A task as plain data, with its kind.

    Example:
        >>> from plait.tasks import Binary
        >>> task_from_json(task_to_json(Binary("click"))) == Binary("click")
        True
    """
    return {"kind": type(task).kind, **asdict(task)}


def task_from_json(form: Mapping[str, Any]) -> Task:
    """The task of a JSON form.

    Raises:
        UnknownNameError: a kind that is not known.
    """
    kinds = {kind.kind: kind for kind in TASK_KINDS}
    if form["kind"] not in kinds:
        raise UnknownNameError(form["kind"], what="kind of task", known=kinds)
    settings: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in form.items()
        if name != "kind"
    }
    return kinds[form["kind"]](**settings)
