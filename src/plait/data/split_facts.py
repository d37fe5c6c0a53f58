"""What the parts of a split hold, and sentences about what is too little to learn or judge from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from plait.errors import DataError
from plait.tasks import Binary, Task

from .splits import NO_PART, PARTS

__all__ = ["PartFacts", "split_facts", "split_warnings"]

_FEW_ROWS = 1_000
_VALID_SHARE = 5


@dataclass(frozen=True)
class PartFacts:
    """What one part of a split holds.

    Attributes:
        part: `train`, `valid`, `test`, or `none` for the rows that belong to no part.
        rows: how many.
        first_time: earliest time; None without a time column.
        last_time: latest time; None without a time column.
        users: different users; None without a user column.
        observed: rows with a label, by task.
        positives: rows with a label above zero, by task.
    """

    part: str
    rows: int
    first_time: Any
    last_time: Any
    users: int | None
    observed: Mapping[str, int]
    positives: Mapping[str, int]


def split_facts(
    parts: NDArray[np.uint8],
    tasks: Sequence[Task],
    labels: NDArray[np.float32],
    observed: NDArray[np.bool_],
    *,
    times: pl.Series | None = None,
    users: pl.Series | None = None,
) -> list[PartFacts]:
    """Count what each part holds; parts without a row are left out.

    Args:
        parts: the part of each row, as `Split.assign` gives it. Shape: [N].
        tasks: in the order of the labels' columns.
        labels: Shape: [N, T].
        observed: where a label is known. Shape: [N, T].
        times: the log's time column.
        users: the log's user column.

    Raises:
        DataError: shapes that do not fit each other.
    """
    expected = (len(parts), len(tasks))
    if labels.shape != expected or observed.shape != expected:
        raise DataError(
            f"{len(parts)} rows and {len(tasks)} tasks need labels and masks of shape {expected}, "
            f"got {labels.shape} and {observed.shape}."
        )
    numbers = [number for number in (0, 1, 2, NO_PART) if (parts == number).any()]
    return [_facts_of(number, parts, tasks, labels, observed, times, users) for number in numbers]


def split_warnings(facts: Sequence[PartFacts], tasks: Sequence[Task]) -> list[str]:
    """Sentences about parts with too few rows, and tasks with too few positives in them.

    A part is short below 1,000 rows. A binary task is short below its `min_positives` in the
    training part, and below a fifth of that in the validation part, where early stopping reads
    its metric. Other kinds of task count labels instead of positives.
    """
    sentences = [
        f"The {part.part} part has {part.rows} rows; below {_FEW_ROWS} results are mostly noise."
        for part in facts
        if part.part in PARTS and part.rows < _FEW_ROWS
    ]
    for part in facts:
        for task in tasks if part.part in ("train", "valid") else ():
            is_binary = isinstance(task, Binary)
            found = (part.positives if is_binary else part.observed)[task.name]
            share = 1 if part.part == "train" else _VALID_SHARE
            if found * share < task.min_positives:
                what = "positives" if is_binary else "labels"
                sentences.append(
                    f"Task {task.name!r} has {found} {what} in the {part.part} part; at least "
                    f"{-(-task.min_positives // share)} are wanted (`min_positives` is "
                    f"{task.min_positives}). Take more rows, or make the task auxiliary."
                )
    left_out = sum(part.rows for part in facts if part.part not in PARTS)
    if left_out:
        sentences.append(f"{left_out} rows belong to no part of the split and are not used.")
    return sentences


def _facts_of(
    number: int,
    parts: NDArray[np.uint8],
    tasks: Sequence[Task],
    labels: NDArray[np.float32],
    observed: NDArray[np.bool_],
    times: pl.Series | None,
    users: pl.Series | None,
) -> PartFacts:
    inside = parts == number
    known = observed & inside[:, None]  # [N, T]
    seen = known.sum(axis=0)
    positive = (known & (labels > 0)).sum(axis=0)
    mask = pl.Series(inside)
    when = None if times is None else times.filter(mask)
    names = [task.name for task in tasks]
    return PartFacts(
        part="none" if number == NO_PART else PARTS[number],
        rows=int(inside.sum()),
        first_time=None if when is None else when.min(),
        last_time=None if when is None else when.max(),
        users=None if users is None else users.filter(mask).drop_nulls().n_unique(),
        observed=dict(zip(names, map(int, seen), strict=True)),
        positives=dict(zip(names, map(int, positive), strict=True)),
    )
