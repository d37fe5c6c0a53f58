"""Made logs of two tasks that conflict, or whose losses are a thousand times apart."""

from __future__ import annotations

import numpy as np
import polars as pl

from plait import Binary, Categorical, Regression, Schema

__all__ = ["TWO_TASKS", "two_tasks"]

FIELDS, IDS = 6, 40
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
