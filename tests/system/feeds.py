"""A small made feed log for whole runs, and one small experiment on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from plait import (
    Binary,
    Categorical,
    MultiHot,
    Numeric,
    RandomSplit,
    Regression,
    Schema,
    Sequence,
    Training,
)


def feed(rows: int = 3000, *, seed: int = 0) -> pl.DataFrame:
    """Clicks, likes after clicks, watched seconds; users, items, tags and a history."""
    rng = np.random.default_rng(seed)
    user = rng.integers(0, 80, rows)
    item = rng.integers(0, 40, rows)
    taste, appeal = rng.normal(size=80), rng.normal(size=40)
    logit = taste[user] * appeal[item] + 0.5 * appeal[item]
    click = rng.random(rows) < 1 / (1 + np.exp(-logit))
    like = click & (rng.random(rows) < 1 / (1 + np.exp(-taste[user])))
    lengths = rng.integers(0, 5, rows)
    return pl.DataFrame(
        {
            "user_id": user + 2**53,
            "item_id": [f"item {number}" for number in item],
            "age": np.where(rng.random(rows) < 0.1, np.nan, 20 + 3 * taste[user]),
            "history": [
                [f"item {number}" for number in rng.integers(0, 40, length)] for length in lengths
            ],
            "tags": ["|".join(f"t{k}" for k in rng.integers(0, 6, 2)) for _ in range(rows)],
            "time": np.arange(rows),
            "click": click.astype(np.int8),
            "like": [int(a) if b else None for a, b in zip(like, click, strict=True)],
            "seconds": np.where(click, rng.gamma(2.0, 10.0 * np.exp(0.3 * appeal[item])), 0.0),
        }
    ).with_columns(pl.col("age").fill_nan(None))


def arguments(log: object, out: Path, *, epochs: int = 2) -> dict[str, Any]:
    """What `plait.train` needs for a run over `feed` of a second or two."""
    return {
        "log": log,
        "schema": Schema(
            (
                Categorical("user_id"),
                Categorical("item_id"),
                Numeric("age"),
                Sequence("history", shares="item_id"),
                MultiHot("tags", delimiter="|"),
            ),
            user="user_id",
            item="item_id",
            time="time",
        ),
        "tasks": (
            Binary("click", min_positives=1),
            Binary("like", space="click == 1", parents=("click",), min_positives=1),
            Regression("seconds", transform="log1p", space="click == 1"),
        ),
        "split": RandomSplit(valid=0.2, test=0.2),
        "out": out,
        "training": Training(epochs=epochs, batch_size=128),
    }
