"""A small log of users and items with side tables, and towers trained on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from plait import (
    Binary,
    Categorical,
    MultiHot,
    Numeric,
    Regression,
    Retrieval,
    Schema,
    Table,
    TimeSplit,
    Training,
    train_towers,
)
from plait.data.splits import Split
from plait.experiment import TowersRun
from plait.retrieval import Epoch
from plait.tasks import Task

SCHEMA = Schema(
    (
        Categorical("user"),
        Categorical("item"),
        Numeric("age"),
        MultiHot("genres"),
        Categorical("hour"),
    ),
    user="user",
    item="item",
    time="time",
)
TASKS = (Binary("like"), Binary("buy"), Regression("stars"))
SMALL = Retrieval(width=8, layers=(8,), k=5)
FAST = Training(epochs=2, batch_size=64, table_learning_rate=0.1, key_l2=0.0)


def users() -> pl.DataFrame:
    return pl.DataFrame({"user": [f"u{n}" for n in range(30)], "age": range(20, 50)})


def items() -> pl.DataFrame:
    return pl.DataFrame(
        {"item": range(40), "genres": [["ab"[n % 2], "xyz"[n % 3]] for n in range(40)]}
    )


def log(rows: int = 600, seed: int = 0) -> pl.DataFrame:
    """Users like the items of their own half."""
    rng = np.random.default_rng(seed)
    user, item = rng.integers(0, 30, rows), rng.integers(0, 40, rows)
    like = (user % 2 == item % 2) & (rng.random(rows) < 0.9)
    return pl.DataFrame(
        {
            "user": [f"u{n}" for n in user],
            "item": item,
            "hour": rng.integers(0, 24, rows),
            "time": np.arange(rows),
            "like": like,
            "buy": like & (rng.random(rows) < 0.3),
            "stars": rng.normal(3, 1, rows),
        }
    )


def tables() -> tuple[Table, ...]:
    return Table("users", users(), "user"), Table("items", items(), "item")


def trained(
    out: Path,
    *,
    rows: pl.DataFrame | None = None,
    schema: Schema = SCHEMA,
    tasks: tuple[Task, ...] = TASKS,
    beside: tuple[Table, ...] | None = None,
    split: Split | None = None,
    history: bool = True,
    retrieval: Retrieval = SMALL,
    training: Training = FAST,
    resume: bool = False,
    told: Callable[[Epoch], None] | None = None,
) -> TowersRun:
    """A short run."""
    return train_towers(
        log() if rows is None else rows,
        schema=schema,
        tasks=tasks,
        split=split or TimeSplit(),
        tables=tables() if beside is None else beside,
        history=history,
        retrieval=retrieval,
        training=training,
        out=out,
        resume=resume,
        told=told,
    )
