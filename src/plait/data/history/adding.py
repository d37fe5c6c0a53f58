"""A staged log with the history of every row beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from plait.data.schema import Schema
from plait.data.scratch import ColumnsFile
from plait.data.splits import NO_PART
from plait.data.staging import chunks
from plait.tasks import Task

from .events import instants
from .fitting import Fitted, fit_history
from .settings import History
from .tables import HistoryTables

__all__ = ["add_history"]

TRAIN = 0


def add_history(
    history: History,
    raw: pl.LazyFrame,
    parts: NDArray[np.uint8],
    *,
    schema: Schema,
    tasks: tuple[Task, ...],
    folder: Path,
) -> tuple[HistoryTables, pl.LazyFrame, str]:
    """The staged rows of all parts with their history, the tables for rows to come, and a note.

    Training rows get what other training rows say; all others what all training rows say.

    Args:
        history: which features are made.
        raw: the staged log.
        parts: the part of each row.
        schema: roles and features.
        tasks: classes filled in.
        folder: where the columns are staged, as `history.arrow` and in `history.scratch`.

    Raises:
        PlaitError: as `fit_history` and `HistoryTables.extended`.
    """

    def training() -> Iterator[pl.DataFrame]:
        at = 0
        for chunk in chunks(raw, len(parts)):
            is_train = parts[at : at + len(chunk)] == TRAIN
            at += len(chunk)
            yield chunk.filter(pl.Series(is_train))

    scratch = folder / "history.scratch"
    scratch.mkdir(exist_ok=True)
    new_users = _has_new_users_only(raw, parts, schema.user)
    fitted = fit_history(
        history,
        training,
        schema=schema,
        tasks=tasks,
        scratch=scratch,
        first_other_time=_first_time(raw, parts, None if history.ordered is False else schema.time),
        new_users=new_users,
    )
    fitted.tables.extended(schema)
    _write(fitted, raw, parts, folder / "history.arrow")
    columns = pl.scan_ipc(folder / "history.arrow")
    return (
        fitted.tables,
        pl.concat([raw, columns], how="horizontal"),
        _note(fitted, new_users=new_users),
    )


def _note(fitted: Fitted, *, new_users: bool) -> str:
    tables = fitted.tables
    source = "strictly earlier training rows"
    if not fitted.is_ordered:
        source = f"training rows of other folds ({tables.formulas.history.folds} folds)"
    note = f"History: {len(tables.names)} numbers and {len(tables.sequences)} lists from {source}."
    if new_users:
        note += (
            " The validation and test rows are of users that no training row has, so there is no "
            "history of users, only of items."
        )
    return note


def _write(fitted: Fitted, raw: pl.LazyFrame, parts: NDArray[np.uint8], path: Path) -> None:
    """The columns of all rows, in their order."""
    file = ColumnsFile(path)
    at = passed = 0
    for chunk in chunks(raw, len(parts)):
        is_train = parts[at : at + len(chunk)] == TRAIN
        at += len(chunk)
        trained = int(is_train.sum())
        both = pl.concat(
            [
                fitted.training_rows(passed, passed + trained),
                fitted.tables.history_of(chunk.filter(pl.Series(~is_train))),
            ]
        )
        passed += trained
        places = np.argsort(np.argsort(~is_train, kind="stable"), kind="stable")
        file.append(both[places])
    file.close()


def _first_time(raw: pl.LazyFrame, parts: NDArray[np.uint8], time: str | None) -> float | None:
    """The earliest time of validation and test rows."""
    if time is None:
        return None
    is_other = (parts != TRAIN) & (parts != NO_PART)
    if not is_other.any():
        return None
    found = instants(raw.select(time).collect()[time].filter(pl.Series(is_other)), column=time)
    return float(np.nanmin(found, initial=np.inf))


def _has_new_users_only(raw: pl.LazyFrame, parts: NDArray[np.uint8], user: str | None) -> bool:
    """Whether no user of the validation and test rows is in the training rows."""
    is_other = (parts != TRAIN) & (parts != NO_PART)
    if user is None or not is_other.any():
        return False
    users = raw.select(user).collect()[user]
    trained = users.filter(pl.Series(parts == TRAIN)).unique().drop_nulls()
    return not users.filter(pl.Series(is_other)).is_in(trained.implode()).any()
