"""What a head refuses: labels outside its kind, labels that teach nothing, absent columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from plait.errors import TaskError
from plait.tasks import Task

from .base import TargetFacts

_Column = TypeVar("_Column")


def check_labels(
    task: Task,
    facts: TargetFacts,
    *,
    bad: NDArray[np.bool_] | None = None,
    expected: str = "a finite number",
    way_out: str = "Make the label null where it is unknown, or correct `label`.",
) -> None:
    """Refuse labels that the kind of the task does not allow.

    Labels that are nan or infinite, an empty set of labels and weights that leave nothing are
    refused for every kind.

    Args:
        task: the task, for the message.
        facts: the observed labels.
        bad: bool `[n]`, the labels that the kind does not allow, over and above.
        expected: what a label should be.
        way_out: what the person can do.

    Raises:
        TaskError: naming the task, how many labels are bad, one of them, and the way out.
    """
    if not facts.targets.size:
        raise TaskError(
            f"Task {task.name!r} has no observed label: every one is null or outside the task's "
            f"space. Check `label` ({task.label_expression!r}), `space` ({task.space!r}) and "
            "`observed`, or drop the task."
        )
    check_column(
        task,
        facts.targets,
        bad=~np.isfinite(facts.targets) if bad is None else ~np.isfinite(facts.targets) | bad,
        what="label",
        expected=expected,
        way_out=way_out,
    )
    check_column(
        task,
        facts.weights,
        bad=~np.isfinite(facts.weights) | (facts.weights < 0),
        what="weight",
        expected="a finite number, not negative",
        way_out="Correct `weight`; 0 leaves a row out.",
    )
    if not facts.weights.any():
        raise TaskError(
            f"Task {task.name!r}: the weight is 0 on all of its {facts.weights.size} labelled "
            f"rows, so that none counts. Correct `weight` ({task.weight!r})."
        )


def check_not_negative(task: Task, facts: TargetFacts) -> None:
    """Refuse labels below zero, besides what `check_labels` refuses.

    Raises:
        TaskError: naming the task, how many labels are bad, one of them, and the way out.
    """
    check_labels(
        task,
        facts,
        bad=facts.targets < 0,
        expected="a finite number, not negative",
        way_out="Make the label null where it is unknown (a -1 often stands for that), "
        "or choose a kind of task that allows it.",
    )


def check_column(
    task: Task,
    values: NDArray[np.float64],
    *,
    bad: NDArray[np.bool_],
    what: str,
    expected: str,
    way_out: str,
) -> None:
    """Refuse a column in which some value is bad.

    Raises:
        TaskError: naming the task, the column, how many values are bad, one of them, and the
            way out.
    """
    if bad.any():
        example = float(values[bad.argmax()])
        raise TaskError(
            f"Task {task.name!r} ({task.kind}): {int(bad.sum())} of {values.size} rows hold a bad "
            f"{what}, for example {example:g}; expected {expected}. {way_out}"
        )


def check_learnable(task: Task, facts: TargetFacts) -> None:
    """Refuse labels that are all the same.

    Raises:
        TaskError: naming the task, its rows and the only label.
    """
    counted = facts.targets[facts.weights > 0]
    if counted.min() == counted.max():
        raise TaskError(
            f"Task {task.name!r} ({task.kind}): all {counted.size} training rows that count have "
            f"the same label, {counted[0]:g}, so that there is nothing to learn. Check `label` "
            f"({task.label_expression!r}), `space` ({task.space!r}) and the split, or drop the "
            "task."
        )


def read_column(task: Task, extras: Mapping[str, _Column], name: str) -> _Column:
    """A column that the head reads besides the label.

    Raises:
        TaskError: the rows lack it.
    """
    if name not in extras:
        raise TaskError(
            f"Task {task.name!r} ({task.kind}) reads the column {name!r} besides the label, and "
            f"the rows hold {sorted(extras) or 'no such column'}. Give it in `extras`."
        )
    return extras[name]
