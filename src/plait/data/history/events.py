"""The training rows as events: who, when, and the labels as numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from plait.data.labels import TaskReader
from plait.data.row_hash import uniform
from plait.errors import ColumnError
from plait.tasks import Binary, Count, Regression, Task, Value, WatchTime

from .groups import CHUNK_ROWS, Codes, Groups, Members, NameCounts
from .sums import Sums

__all__ = ["Chunks", "Events", "Remembered", "instants", "read_events"]

Floats = NDArray[np.float64]
Chunks = Callable[[], Iterable[pl.DataFrame]]
"""Gives the rows chunk by chunk, anew at every call."""

_FOLD_SEED = 7340033
"""Apart from the seeds of splits, so that folds are drawn independently of them."""


@dataclass(frozen=True)
class Remembered:
    """The tasks whose labels are remembered, and how labels become numbers."""

    tasks: tuple[Task, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Their names, in order."""
        return tuple(task.name for task in self.tasks)

    @property
    def are_binary(self) -> tuple[bool, ...]:
        """Which of them are yes or no."""
        return tuple(isinstance(task, Binary) for task in self.tasks)

    def columns(self) -> tuple[str, ...]:
        """The raw columns that their labels need."""
        return tuple(sorted(TaskReader(self.tasks).columns)) if self.tasks else ()

    def read(self, frame: pl.DataFrame) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Labels `[N, T]` as trained on, and how many rows each stands for: 0 where not observed.

        A row stands for one; where a task counts trials, for its trials.
        """
        if not self.tasks:
            nothing = np.zeros((len(frame), 0), dtype=np.float32)
            return nothing, nothing
        reader = TaskReader(self.tasks)
        read = reader.read(frame)
        numbers = read.labels.copy()
        mass = (read.observed & np.isfinite(numbers)).astype(np.float32)
        for place, task in enumerate(self.tasks):
            if _is_amount(task):
                numbers[:, place] = np.log1p(np.maximum(numbers[:, place], 0.0))
            if isinstance(task, Binary) and task.trials is not None:
                mass[:, place] *= read.extras[:, reader.extras.index(f"{task.name}.trials")]
        numbers[mass == 0] = 0.0
        return numbers, mass


@dataclass(frozen=True)
class Events:
    """The training rows, compactly: some 30 bytes a row.

    Attributes:
        codes: who each row speaks of.
        members: their groups, by the name of what is grouped.
        sizes: number of groups of each name.
        labels: float32 `[N, T]`, 0 where not observed.
        mass: float32 `[N, T]`, what each label counts for.
        times: `[N]`, nan where there is none; None: the schema has no time.
    """

    codes: Codes
    members: dict[str, Members]
    sizes: dict[str, int]
    labels: NDArray[np.float32]
    mass: NDArray[np.float32]
    times: Floats | None

    def __len__(self) -> int:
        return len(self.labels)

    def contributions(self, rows: NDArray[np.int64]) -> Sums:
        """What each of these rows adds to the sums of its groups, residuals left at 0."""
        labels = self.labels[rows].astype(np.float64)
        mass = self.mass[rows].astype(np.float64)
        last = np.full(len(rows), np.nan) if self.times is None else self.times[rows]
        zeros = np.zeros_like(mass)
        return Sums(np.ones(len(rows)), mass, mass * labels, mass * labels**2, zeros, last=last)

    def folds(self, count: int, *, by_user: bool) -> NDArray[np.int16]:
        """The fold of each row: a hash of its number, or of its user's."""
        found = np.empty(len(self), dtype=np.int16)
        for begin in range(0, len(self), CHUNK_ROWS):
            inside = slice(begin, min(begin + CHUNK_ROWS, len(self)))
            numbers = np.arange(inside.start, inside.stop, dtype=np.uint64)
            if by_user and self.codes.user is not None:
                numbers = self.codes.user[inside].astype(np.uint64)
            found[inside] = (uniform(numbers, seed=_FOLD_SEED) * count).astype(np.int16)
        return found


def read_events(
    chunks: Chunks,
    remembered: Remembered,
    *,
    names: NameCounts,
    columns: dict[str, str],
    with_pairs: bool,
) -> tuple[Groups, Events]:
    """Read the training rows twice: who there is, then what happened.

    Args:
        chunks: the training rows.
        remembered: tasks whose labels count.
        names: counts of users, items and crossed values, still empty.
        columns: role -> column, of user, item and time.
        with_pairs: whether user and item together are kept apart.

    Raises:
        ColumnError: a time that is no time.
    """
    rows = 0
    for chunk in chunks():
        names.add(chunk)
        rows += len(chunk)
    found = names.vocabularies()
    roles = {role: column for role, column in columns.items() if role != "time"}
    groups = Groups(roles, names.crossed, found, {})
    time = columns.get("time")
    labels = np.empty((rows, len(remembered.tasks)), dtype=np.float32)
    mass = np.empty_like(labels)
    times = None if time is None else np.empty(rows)
    codes: list[Codes] = []
    at = 0
    for chunk in chunks():
        inside = slice(at, at + len(chunk))
        codes.append(groups.codes(chunk))
        labels[inside], mass[inside] = remembered.read(chunk)
        if times is not None and time is not None:
            times[inside] = instants(chunk[time], column=time)
        at = inside.stop
    keyed = [*(["pair"] if with_pairs else []), *(codes[0].crossed if codes else [])]
    keys = {name: _distinct(groups.keys_of(name, part)[0] for part in codes) for name in keyed}
    groups = Groups(roles, names.crossed, found, keys)
    whole = Codes.joined(codes)
    members = groups.members(whole)
    sizes = {name: groups.size(name) for name in members}
    return groups, Events(whole, members, sizes, labels, mass, times)


def instants(values: pl.Series, *, column: str) -> Floats:
    """Times as numbers: seconds for dates, the column's own unit else; nan where there is none.

    A number may lose digits beyond 2^53, but never changes places with another one.

    Raises:
        ColumnError: neither a date nor a number.
    """
    if isinstance(values.dtype, pl.Date | pl.Datetime):
        micros = values.cast(pl.Datetime("us")).dt.epoch("us").cast(pl.Float64)
        return (micros / 1e6).fill_null(np.nan).to_numpy()
    if values.dtype.is_numeric() or values.dtype == pl.Null:
        return values.cast(pl.Float64).fill_null(np.nan).to_numpy()
    raise ColumnError(
        column,
        found=f"{len(values)} rows of type {values.dtype}",
        expected="the time of each row, as a date or a number",
        way_out="A history needs it to know what came before. Read it as a date first, or say "
        "`history.ordered = false`.",
    )


def _distinct(parts: Iterable[NDArray[np.int64]]) -> NDArray[np.int64]:
    """The sorted keys that occur; -1 is nobody's. A few parts at a time are in memory."""
    found, waiting = np.zeros(0, dtype=np.int64), []
    for part in parts:
        waiting.append(np.unique(part))
        if sum(map(len, waiting)) > max(len(found), CHUNK_ROWS):
            found, waiting = np.unique(np.concatenate([found, *waiting])), []
    found = np.unique(np.concatenate([found, *waiting]))
    return found[found >= 0]


def _is_amount(task: Task) -> bool:
    if isinstance(task, Regression):
        return task.transform == "log1p"
    return isinstance(task, Value | WatchTime | Count)
