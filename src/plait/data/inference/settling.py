"""Tasks counted on every row, part by part: what cannot be learnt as it stands is left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from plait.data.labels import TaskReader
from plait.data.reading import collect_checked
from plait.data.splits import Split, TimeSplit
from plait.errors import DataError
from plait.tasks import Binary, Multiclass, Task

from .facts import SampledLog
from .feedback import shown_number
from .guesses import Caution, SplitGuess, TaskGuess

__all__ = ["settle"]


def settle(
    log: SampledLog, tasks: Sequence[TaskGuess], split: SplitGuess, *, time: str | None
) -> tuple[list[TaskGuess], list[Caution]]:
    """The tasks with their counts; those that have one label in the training rows are set aside.

    Args:
        log: the log.
        tasks: the tasks that were proposed.
        split: which rows train.
        time: the time column.

    Raises:
        DataError: no task can be learnt.
        SplitError: the log is too small to be split.
    """
    tasks = [replace(guess, task=_with_classes(guess.task, log)) for guess in tasks]
    reader = TaskReader([guess.task for guess in tasks])
    frame = log.all_rows().select(sorted(reader.columns))
    labels = reader.read(collect_checked(frame, where="the log"))
    train = _named(split.split, time).assign(log.all_rows(), None) == 0
    settled: list[TaskGuess] = []
    cautions: list[Caution] = []
    for position, guess in enumerate(tasks):
        seen = labels.observed[:, position]
        label = labels.labels[seen, position]
        taught = labels.labels[seen & train, position]
        learnable = len(taught) > 0 and taught.min() < taught.max()
        is_binary = isinstance(guess.task, Binary)
        counted = replace(
            guess,
            observed=int(seen.sum()),
            positives=int((label > 0).sum()) if _has_positives(guess.task) else None,
            is_used=bool(learnable),
        )
        settled.append(counted)
        if not learnable:
            told = f"{_only(taught)}, so there is nothing to tell apart"
            cautions.append(Caution("not_learnable", (guess.task.name,), told))
        elif is_binary and isinstance(guess.task, Binary) and guess.task.trials is None:
            cautions += _few(guess.task, int((taught > 0).sum()))
    if not any(guess.is_used for guess in settled):
        raise DataError(
            "No task can be learnt: in the training rows every label has one value. "
            + "; ".join(f"{c.columns[0]}: {c.reason}" for c in cautions)
            + ". Take more rows, or name another column by `labels`."
        )
    used = {guess.task.name for guess in settled if guess.is_used}
    return [_without_lost_parents(guess, used) for guess in settled], cautions


def _only(taught: NDArray[np.floating]) -> str:
    if not len(taught):
        return "none of its training rows has a label"
    return f"each of its {len(taught):,} training rows has the label {shown_number(taught[0])}"


def _with_classes(task: Task, log: SampledLog) -> Task:
    """A task of several classes with those of every row, so that no rare one is met too late."""
    if not isinstance(task, Multiclass):
        return task
    column = next(iter(TaskReader([replace(task, classes=("0", "1"))]).columns))
    values = log.all_rows().select(pl.col(column).cast(pl.String).drop_nulls().unique().sort())
    classes = collect_checked(values, where="the log").to_series().to_list()
    return replace(task, classes=tuple(classes))


def _named(split: Split, time: str | None) -> Split:
    return replace(split, column=time) if isinstance(split, TimeSplit) else split


def _has_positives(task: Task) -> bool:
    return task.kind in ("binary", "value", "count")


def _few(task: Binary, positives: int) -> list[Caution]:
    if positives >= task.min_positives:
        return []
    told = (
        f"{positives} positives among its training rows; {task.min_positives} are wanted, or its "
        "figures are noise"
    )
    return [Caution("few_positives", (task.name,), told, {"positives": float(positives)})]


def _without_lost_parents(guess: TaskGuess, used: set[str]) -> TaskGuess:
    parents = tuple(parent for parent in guess.task.parents if parent in used)
    return (
        guess
        if parents == guess.task.parents
        else replace(guess, task=replace(guess.task, parents=parents))
    )
