"""Small logs for tests of histories, as frames and as events of the reference."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import polars as pl
from hypothesis import strategies as st
from tests.unit.data.history_reference import Event

from plait.data.history import Fitted, History, fit_history
from plait.data.schema import Categorical, MultiHot, Schema
from plait.tasks import Binary, Regression, Task

SCHEMA = Schema(
    (Categorical("user"), Categorical("item"), MultiHot("tags", delimiter=";")),
    user="user",
    item="item",
    time="time",
)
TASKS: tuple[Task, ...] = (Binary("click"), Binary("like", space="click == 1"), Regression("stars"))
NAMES = ("click", "like", "stars")
BINARY = ("click", "like")
ALL = History()


def log(rows: int, *, seed: int = 0, users: int = 6, items: int = 5) -> pl.DataFrame:
    """A log with missing users, items and labels, several rows of one instant, and tags."""
    rng = np.random.default_rng(seed)
    frame = pl.DataFrame(
        {
            "user": rng.integers(0, users, rows),
            "item": [f"i{number}" for number in rng.integers(0, items, rows)],
            "time": rng.integers(0, max(rows // 2, 2), rows),
            "tags": [
                ";".join(rng.choice(["a", "b", "c"], rng.integers(0, 3), replace=False))
                for _ in range(rows)
            ],
            "click": rng.integers(0, 2, rows),
            "like": rng.integers(0, 2, rows),
            "stars": rng.integers(1, 6, rows) / 2,
        }
    )
    hidden = {"user": 0.05, "item": 0.05, "stars": 0.3}
    return frame.with_columns(
        pl.when(pl.Series(rng.random(rows) >= share)).then(pl.col(name)).alias(name)
        for name, share in hidden.items()
    )


@st.composite
def logs(draw: st.DrawFn) -> pl.DataFrame:
    """Logs of a few rows."""
    rows = draw(st.integers(8, 40))
    return log(rows, seed=draw(st.integers(0, 10_000)), users=draw(st.integers(1, 6)))


def events(frame: pl.DataFrame) -> list[Event]:
    """The rows for the reference."""
    return [
        Event(
            user=row["user"],
            item=row["item"],
            time=row["time"],
            tags=tuple(row["tags"].split(";")) if row["tags"] else (),
            labels={
                "click": row["click"],
                "like": row["like"] if row["click"] == 1 else None,
                "stars": row["stars"],
            },
        )
        for row in frame.iter_rows(named=True)
    ]


def fit(
    frame: pl.DataFrame,
    folder: Path,
    history: History = ALL,
    *,
    schema: Schema = SCHEMA,
    chunk_rows: int = 7,
    first_other_time: float | None = None,
    new_users: bool = False,
) -> Fitted:
    """A history fitted on the rows of a frame, a few at a time."""
    return fit_history(
        history,
        in_chunks(frame, chunk_rows),
        schema=schema,
        tasks=TASKS,
        scratch=folder,
        first_other_time=first_other_time,
        new_users=new_users,
    )


def in_chunks(frame: pl.DataFrame, rows: int) -> Callable[[], Iterator[pl.DataFrame]]:
    """What gives the frame chunk by chunk."""
    return lambda: frame.iter_slices(rows)


def columns_of(rows: list[Mapping[str, float]], names: tuple[str, ...]) -> pl.DataFrame:
    """Rows of the reference as a frame of the columns that were kept."""
    return pl.DataFrame(
        {name: pl.Series([row[name] for row in rows], dtype=pl.Float32) for name in names}
    ).fill_nan(None)
