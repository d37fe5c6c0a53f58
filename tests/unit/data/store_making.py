"""A small store for the tests of store, writer and loader, and the arrays it was made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from plait.data.prepared import Prepared
from plait.data.preprocessing import Preprocessor
from plait.data.schema import Categorical, MultiHot, Numeric, Schema, Sequence, Vector
from plait.data.store import Store
from plait.data.writing import StoreWriter

SCHEMA = Schema(
    (
        Categorical("user_id"),
        Categorical("city"),
        Numeric("age"),
        Sequence("history", min_count=1),
        MultiHot("tags", weights="shares", min_count=1),
        Vector("image", size=3),
    ),
    user="user_id",
    request="request_id",
)
TASKS = ("click", "buy")
EXTRAS = ("buy.price",)


@dataclass(frozen=True)
class Made:
    """A store, and what went into it."""

    store: Store
    frame: pl.DataFrame
    prepared: Prepared
    labels: NDArray[np.float32]
    observed: NDArray[np.bool_]
    weights: NDArray[np.float32]
    extras: NDArray[np.float32]


def log(num_rows: int, *, seed: int = 0, requests: NDArray[np.int64] | None = None) -> pl.DataFrame:
    """A log of every kind of feature."""
    generator = np.random.default_rng(seed)
    lengths = generator.integers(0, 4, num_rows)
    return pl.DataFrame(
        {
            "user_id": generator.integers(0, 9, num_rows),
            "city": generator.choice(["Bonn", "Rome", "Oslo"], num_rows),
            "age": generator.normal(40, 9, num_rows),
            "history": [generator.integers(0, 30, length).tolist() for length in lengths],
            "tags": [generator.integers(0, 5, length).tolist() for length in lengths],
            "shares": [generator.random(length).tolist() for length in lengths],
            "image": generator.normal(size=(num_rows, 3)).tolist(),
            "request_id": generator.integers(0, 6, num_rows) if requests is None else requests,
        },
        schema_overrides={
            **dict.fromkeys(["history", "tags"], pl.List(pl.Int64)),
            **dict.fromkeys(["shares", "image"], pl.List(pl.Float64)),
        },
    )


def make(
    folder: Path,
    num_rows: int,
    *,
    chunk_rows: int = 7,
    requests: NDArray[np.int64] | None = None,
) -> Made:
    """Write a store of random rows in chunks."""
    frame = log(num_rows, requests=requests)
    preprocessor = Preprocessor(SCHEMA).fit(log(max(num_rows, 50)))
    generator = np.random.default_rng(1)
    observed = generator.random((num_rows, 2)) < 0.7
    labels = (observed & (generator.random((num_rows, 2)) < 0.3)).astype(np.float32)
    weights = np.where(observed, generator.random((num_rows, 2)), 0).astype(np.float32)
    extras = generator.random((num_rows, 1)).astype(np.float32)
    writer = StoreWriter(
        folder,
        layout=preprocessor.layout,
        tasks=TASKS,
        extras=EXTRAS,
        keys=("user", "request"),
        fingerprint="f00",
    )
    for start in range(0, num_rows, chunk_rows):
        part = slice(start, start + chunk_rows)
        chunk = frame[part]
        writer.append(
            preprocessor.transform(chunk),
            labels=labels[part],
            observed=observed[part],
            weights=weights[part],
            extras=extras[part],
            keys={"user": chunk["user_id"], "request": chunk["request_id"]},
            columns=chunk.select("city", "age"),
        )
    store = writer.close()
    return Made(store, frame, preprocessor.transform(frame), labels, observed, weights, extras)
