"""Made logs of two tasks that conflict, that are unlike, or whose losses are far apart."""

from __future__ import annotations

import numpy as np
import polars as pl

from plait import Binary, Categorical, Regression, Schema

__all__ = ["TWO_TASKS", "own_tastes", "two_tasks"]

FIELDS, IDS = 6, 40
TASTERS = 200
TWO_TASKS = Schema(tuple(Categorical(f"field_{place}") for place in range(FIELDS)))


def two_tasks(
    log: str, seed: int, rows: int
) -> tuple[pl.DataFrame, tuple[Binary | Regression, ...]]:
    """Two tasks over the same ids, against each other or with losses a thousand times apart."""
    rng = np.random.default_rng([seed, rows])
    ids = rng.integers(IDS, size=(rows, FIELDS))
    tastes = rng.normal(size=(2, FIELDS, IDS))
    common, own = (
        np.tanh(sum(taste[place, ids[:, place]] for place in range(FIELDS)) / 2) for taste in tastes
    )
    share = -0.8 if log == "conflict" else 0.8
    other = share * common + 0.6 * own
    frame = pl.DataFrame(
        {
            **{f"field_{place}": ids[:, place] for place in range(FIELDS)},
            "first": rng.random(rows) < 1 / (1 + np.exp(-2 * common)),
            "second": rng.random(rows) < 1 / (1 + np.exp(-2 * other)),
            "value": other + rng.normal(size=rows),
            "weight": np.full(rows, 1000.0),
        }
    )
    if log == "conflict":
        return frame, (Binary("first"), Binary("second"))
    return frame, (Binary("first"), Regression("value", weight="weight", normaliser="batch"))


def own_tastes(
    seed: int, rows: int, *, width: int
) -> tuple[pl.DataFrame, Schema, tuple[Binary, ...]]:
    """Two tasks, each with tastes of its own: what a user clicks says nothing of what it buys.

    How well a user and an item fit is the product of four hidden numbers of each, which are others
    for the other task. Every id has a vector of this width.
    """
    rng = np.random.default_rng([seed, rows])
    ids = rng.integers(TASTERS, size=(rows, 2))
    hidden = rng.normal(size=(2, 2, TASTERS, 4))  # task, user or item
    frame = pl.DataFrame({"user": ids[:, 0], "item": ids[:, 1]})
    for name, (users, items) in zip(("first", "second"), hidden, strict=True):
        fit = (users[ids[:, 0]] * items[ids[:, 1]]).sum(axis=1)
        frame = frame.with_columns(pl.Series(name, rng.random(rows) < 1 / (1 + np.exp(-fit))))
    features = (
        Categorical("user", embedding_dim=width),
        Categorical("item", embedding_dim=width),
    )
    return frame, Schema(features), (Binary("first"), Binary("second"))
