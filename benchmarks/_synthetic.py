"""A made log of any length: skewed ids, numbers, a history of items, a click and a purchase."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from plait import Binary, Categorical, Numeric, Schema, Sequence

WIDEST = 1_000_000
VOCABULARIES = np.geomspace(10, WIDEST, 20).astype(np.int64)
NUM_NUMBERS = 8
LONGEST_HISTORY = 20
CHUNK_ROWS = 100_000

ITEM = f"c{len(VOCABULARIES) - 2}"
CATEGORICALS = tuple(f"c{place}" for place in range(len(VOCABULARIES)))
NUMBERS = tuple(f"n{place}" for place in range(NUM_NUMBERS))

SCHEMA = Schema(
    (
        *(Categorical(name) for name in CATEGORICALS),
        *(Numeric(name) for name in NUMBERS),
        Sequence("history", shares=ITEM, max_length=LONGEST_HISTORY),
    ),
    user=CATEGORICALS[-1],
    item=ITEM,
)
TASKS = (Binary("click"), Binary("purchase", parents=("click",)))

Ids = NDArray[np.int64]
Numbers = NDArray[np.float64]


def write_log(path: Path, rows: int, *, seed: int = 0, widest: int = WIDEST) -> None:
    """Write a log to Parquet, chunk by chunk: the same rows for the same seed.

    Args:
        path: of the file.
        rows: of the log.
        seed: of the draw.
        widest: ids of the largest vocabulary; the smallest has ten.
    """
    sizes = VOCABULARIES if widest == WIDEST else np.geomspace(10, widest, 20).astype(np.int64)
    first = make_chunk(0, seed=seed, chunk=0)
    with pq.ParquetWriter(path, first.schema, compression="zstd") as writer:
        for chunk, start in enumerate(range(0, rows, CHUNK_ROWS)):
            size = min(CHUNK_ROWS, rows - start)
            writer.write_table(make_chunk(size, seed=seed, chunk=chunk, sizes=sizes))


def make_chunk(rows: int, *, seed: int, chunk: int, sizes: Ids = VOCABULARIES) -> pa.Table:
    """These rows, with about one click in ten rows and one purchase in ten clicks."""
    generator = np.random.default_rng([seed, chunk])
    ids = np.stack([_skewed(generator, size, rows) for size in sizes], axis=1)  # [N, C]
    numbers = generator.normal(size=(rows, NUM_NUMBERS))
    lengths = generator.integers(0, LONGEST_HISTORY + 1, rows)
    history = _skewed(generator, sizes[-2], int(lengths.sum()))
    taste = _mean_taste(history, lengths)
    click = generator.random(rows) < _sigmoid(_logit(ids, numbers, taste, task=0) - 2.7)
    bought = generator.random(rows) < _sigmoid(_logit(ids, numbers, taste, task=1) - 2.7)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    columns = dict(zip(CATEGORICALS, ids.astype(np.int32).T, strict=True))
    columns |= dict(zip(NUMBERS, numbers.astype(np.float32).T, strict=True))
    columns["history"] = pa.ListArray.from_arrays(offsets, history.astype(np.int32))
    columns["click"] = click.astype(np.int8)
    columns["purchase"] = (click & bought).astype(np.int8)
    return pa.table(columns)


def _skewed(generator: np.random.Generator, size: int, number: int) -> Ids:
    """Ids of which the first are common and the last are rare: log-uniform ranks."""
    ranks: Ids = np.exp(generator.random(number) * np.log(size)).astype(np.int64)
    return ranks.clip(1, size) - 1


def _effect(ids: Ids, salt: int | Ids) -> Numbers:
    """A number between -1 and 1 that belongs to the id: the same wherever it stands."""
    mixed = (ids * 1000 + salt).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return (mixed >> np.uint64(11)) / 2.0**52 - 1.0


def _mean_taste(history: Ids, lengths: Ids) -> Numbers:
    """The mean effect of the items in each row's history; 0 where it is empty."""
    row = np.repeat(np.arange(len(lengths)), lengths)
    total = np.bincount(row, weights=_effect(history, salt=7), minlength=len(lengths))
    mean: Numbers = total / lengths.clip(1)
    return mean


def _logit(ids: Ids, numbers: Numbers, taste: Numbers, *, task: int) -> Numbers:
    """Effects of ids, a cross of two of them, slopes, a product of two numbers, the history."""
    found = _effect(ids, salt=np.arange(ids.shape[1]) + 100 * task).sum(axis=1)
    crossed = _effect(ids[:, 5] * 1000 + ids[:, 7], salt=500 + task)
    sloped = (numbers * np.cos(np.arange(NUM_NUMBERS) + task)).sum(axis=1)
    crossed_numbers = numbers[:, 0] * numbers[:, 1]
    logits: Numbers = 0.4 * (found + crossed + sloped + crossed_numbers) + taste
    return logits


def _sigmoid(logits: Numbers) -> Numbers:
    rates: Numbers = 1.0 / (1.0 + np.exp(-logits))
    return rates
