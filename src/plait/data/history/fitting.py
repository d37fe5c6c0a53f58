"""From training rows to their own histories, and to the tables that later rows ask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from plait.data.schema import Schema
from plait.errors import DataError, SchemaError
from plait.tasks import Task

from .earlier import Earlier
from .events import Chunks, Events, Remembered, read_events
from .folds import OutOfFold
from .formulas import Formulas
from .groups import Groups, NameCounts
from .sequences import ByUser, Windows, earlier_windows, fold_windows, last_windows, sequence_names
from .settings import History
from .sums import SIDES, Past
from .tables import HistoryTables, numbers_frame

__all__ = ["Fitted", "fit_history"]

Rows = NDArray[np.int64]

_MATRIX = "history.f32"


@dataclass(frozen=True)
class Fitted:
    """A history fitted on training rows.

    Attributes:
        tables: for all other rows.
        is_ordered: whether training rows see strictly earlier rows, else rows of other folds.
        numbers: of the training rows, on disk.
        sequences: of the training rows, by name, on disk.
    """

    tables: HistoryTables
    is_ordered: bool
    numbers: _Numbers
    sequences: Mapping[str, Windows]

    def training_rows(self, begin: int, end: int) -> pl.DataFrame:
        """The history of some training rows, in their order: from other rows only."""
        return self.numbers.frame(begin, end).with_columns(
            windows.series(slice(begin, end), self.tables.item_values).alias(name)
            for name, windows in self.sequences.items()
        )


def fit_history(
    history: History,
    chunks: Chunks,
    *,
    schema: Schema,
    tasks: tuple[Task, ...],
    scratch: Path,
    first_other_time: float | None = None,
    new_users: bool = False,
) -> Fitted:
    """Fit a history on training rows.

    Memory: some 50 bytes for each training row, and the tables. The numbers and lists of the
    training rows lie in scratch files.

    Args:
        history: which features are made.
        chunks: the training rows, chunk by chunk, anew at every call.
        schema: roles and crossed features.
        tasks: classes filled in.
        scratch: folder for these files, which are wanted as long as the result is.
        first_other_time: the earliest time among validation and test rows; None: there are none.
        new_users: whether all validation and test rows are of users whom no training row has. Then
            nothing of users is made, since it would say nothing of those to come, and folds keep
            the rows of a user together.

    Raises:
        SchemaError: a schema without what the history needs, or nothing to make.
        DataError: `ordered` was asked for, and rows do not have an order.
        ColumnError: a column that does not hold what it should.
        UnknownNameError: tasks or features that are not there.
    """
    history.check(schema, tasks)
    if new_users:
        by = tuple(side for side in history.by if side == "item")
        history = replace(history, by=by, cross=(), sequence_length=0)
        if not history.makes_anything(schema):
            raise SchemaError(
                "All validation and test rows are of users that no training row has, so what is "
                "remembered of users would say nothing of them, and nothing of items was asked "
                "for. Drop the history, name an `item`, or split by time or by chance."
            )
    remembered = Remembered(history.remembered(tasks))
    roles = ("user", "item") if history.ordered is False else ("user", "item", "time")
    columns = {role: column for role, column in schema.roles.items() if role in roles}
    groups, events = read_events(
        chunks,
        remembered,
        names=NameCounts(schema, history.crossed(schema)),
        columns=columns,
        with_pairs="pair" in history.by and {"user", "item"} <= columns.keys(),
    )
    are_partial = tuple(map(bool, (events.mass != 1).any(axis=0)))
    formulas = Formulas(history, remembered, are_partial)
    is_ordered = _is_ordered(history, events, first_other_time)
    events = events if is_ordered else replace(events, times=None)
    way: Earlier | OutOfFold = (
        Earlier(events, formulas) if is_ordered else OutOfFold(events, formulas, by_user=new_users)
    )
    numbers = _Numbers.of(way.walk(), formulas, rows=len(events), scratch=scratch)
    length = history.sequence_length if {"user", "item"} <= columns.keys() else 0
    sequences = _sequences(way, events, remembered, length, scratch) if length else {}
    late = {name: windows for name, (_, windows) in sequences.items()}
    tables = _tables(formulas, groups, way, numbers.names, late, time=schema.time)
    early = {name: windows for name, (windows, _) in sequences.items()}
    return Fitted(tables, is_ordered, numbers, early)


def _tables(
    formulas: Formulas,
    groups: Groups,
    way: Earlier | OutOfFold,
    names: tuple[str, ...],
    sequences: Mapping[str, Windows],
    *,
    time: str | None,
) -> HistoryTables:
    """The tables for later rows; pairs and crosses that no column needs are left out."""
    sums, prior = way.after()
    read = [of for of in sums if any(name.startswith(f"history.{of}.") for name in names)]
    needed = {*SIDES, *read}
    return HistoryTables(
        formulas=formulas,
        groups=groups.only(needed),
        sums={name: sums[name] for name in sums if name in needed},
        prior=prior,
        sequences=sequences,
        names=names,
        time=time if any(name.endswith(".recency") for name in names) else None,
    )


@dataclass(frozen=True)
class _Numbers:
    """The numbers of the training rows, mapped from disk; columns that say nothing left out.

    Attributes:
        matrix: float32 `[N, all columns]`.
        names: of the columns that differ between rows, a missing number being one, too.
        places: where these stand in the matrix.
    """

    matrix: NDArray[np.float32]
    names: tuple[str, ...]
    places: NDArray[np.int64]

    @classmethod
    def of(
        cls, walk: Iterator[tuple[Rows, Past]], formulas: Formulas, *, rows: int, scratch: Path
    ) -> _Numbers:
        """Compute every row's numbers and write them down."""
        names: list[str] = []
        matrix = np.zeros((rows, 0), dtype=np.float32)
        low, high, lacks = np.zeros(0), np.zeros(0), np.zeros(0, dtype=np.bool_)
        for at, past in walk:
            columns = formulas.columns(past)
            if columns and not names:
                names = list(columns)
                shape = (rows, len(names))
                matrix = np.memmap(scratch / _MATRIX, dtype=np.float32, mode="w+", shape=shape)
                low, high = np.full(len(names), np.inf), np.full(len(names), -np.inf)
                lacks = np.zeros(len(names), dtype=np.bool_)
            block = np.stack(list(columns.values()), axis=1) if columns else matrix[at]
            matrix[at] = block
            low, high = np.fmin(low, _least(block)), np.fmax(high, -_least(-block))
            lacks |= np.isnan(block).any(axis=0)
        places = np.flatnonzero((low < high) | (lacks & (low == high)))
        return cls(matrix, tuple(names[place] for place in places), places)

    def frame(self, begin: int, end: int) -> pl.DataFrame:
        """The numbers of some rows."""
        block = self.matrix[begin:end, self.places]
        return numbers_frame(dict(zip(self.names, block.T, strict=True)), len(block))


def _least(block: NDArray[np.floating]) -> NDArray[np.floating]:
    """The least number of each column, `inf` where there is none."""
    least: NDArray[np.floating] = np.fmin.reduce(block, axis=0, initial=np.inf)
    return least


def _sequences(
    way: Earlier | OutOfFold, events: Events, remembered: Remembered, length: int, scratch: Path
) -> dict[str, tuple[Windows, Windows]]:
    """By name, what training rows and later rows list; sequences that are always empty left out."""
    walk = ByUser(events, remembered)
    early = (
        earlier_windows(walk, length, scratch)
        if isinstance(way, Earlier)
        else fold_windows(walk, length, way.folds, scratch)
    )
    named = zip(sequence_names(remembered), early, last_windows(walk, length), strict=True)
    return {name: (now, later) for name, now, later in named if (now.ends > now.begins).any()}


def _is_ordered(history: History, events: Events, first_other_time: float | None) -> bool:
    """Whether training rows see strictly earlier rows.

    Raises:
        DataError: that was asked for, and cannot be.
    """
    if history.ordered is False or events.times is None:
        return False
    missing = int(np.isnan(events.times).sum())
    late = 0 if first_other_time is None else int((events.times >= first_other_time).sum())
    if history.ordered and (missing or late):
        raise DataError(
            "`history.ordered` needs training rows that have a time and come before all other "
            f"rows; {missing} have none, and {late} do not. Split by time, or leave `ordered` out."
        )
    return not (missing or late)
