"""A made log of any length: what a platform showed, what was clicked, and what was bought after it.

Twenty categorical columns with vocabularies from 10 to a million ids, of which few are common and
most are rare, eight numbers, and a history of up to twenty items. About one row in ten is clicked,
and about one click in ten converts. Further tasks are further pairs of a click and a conversion.
The same arguments give the same log.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

VOCABULARIES = (
    *(10, 10, 20, 30, 50, 100, 100, 200, 500, 1000),
    *(1000, 2000, 5000, 10_000, 10_000, 20_000, 50_000, 100_000, 300_000, 1_000_000),
)
CATEGORICALS = tuple(f"c{place}" for place in range(len(VOCABULARIES)))
NUMBERS = tuple(f"d{place}" for place in range(8))
ITEM, HISTORY, LONGEST_HISTORY = 18, "history", 20
PADDING = 0
"""Fills a history that is short; no item has this id."""

CHUNK_ROWS = 100_000
TEST_CHUNK, CALIBRATION_CHUNK, CALIBRATION_ROWS = 500_000, 999_999, 50_000
RATE = 0.1
CROSSED = (7, 9)
RANK, NUM_TASTES = 4, 50

Ids = NDArray[np.int32]
Floats = NDArray[np.float64]


class Exposures(NamedTuple):
    """What was shown.

    Attributes:
        ids: `[N, C]`.
        numbers: float32 `[N, M]`.
        history: `[N, L]`, filled with `PADDING`.
    """

    ids: Ids
    numbers: NDArray[np.float32]
    history: Ids


def task_names(number: int) -> tuple[str, ...]:
    """`click` and `conversion`, then `click_2` and `conversion_2`, and so on."""
    pairs = range(1, number // 2 + 1)
    endings = ["" if pair == 1 else f"_{pair}" for pair in pairs]
    return tuple(f"{kind}{end}" for end in endings for kind in ("click", "conversion"))


def write_log(folder: Path, rows: int, test_rows: int, *, num_tasks: int, strings: bool) -> None:
    """Write `train.parquet` and `test.parquet`, chunk by chunk.

    Args:
        folder: where to.
        rows: of the training log.
        test_rows: of the test log, which is the same for every length of the other.
        num_tasks: 2, 4 or 8.
        strings: ids as they come in a raw log, every second column strings and the others large
            integers; else integers from 0.
    """
    worlds = [World(pair) for pair in range(num_tasks // 2)]
    form = _RawIds() if strings else _PlainIds()
    for name, number, first_chunk in (("train", rows, 0), ("test", test_rows, TEST_CHUNK)):
        tables = _tables(worlds, form, number, first_chunk)
        first = next(tables)
        with pq.ParquetWriter(folder / f"{name}.parquet", first.schema) as writer:
            writer.write_table(first)
            for table in tables:
                writer.write_table(table)


class World:
    """What is true of one pair of tasks: how likely a click is, and a conversion after it.

    A logit is the sum of an effect of every id, a cross of two columns of low rank, slopes, a
    product of two numbers and the mean taste of the history. Half of the click's logit is part of
    the conversion's. A bias puts the mean rates at a tenth.
    """

    def __init__(self, pair: int) -> None:
        generator = np.random.default_rng(7 + pair)
        self.effects = [
            [
                generator.normal(0, 0.30 if size <= 20_000 else 0.15, size).astype(np.float32)
                for size in VOCABULARIES
            ]
            for _ in range(2)
        ]
        sizes = [VOCABULARIES[place] for place in CROSSED]
        self.factors = [generator.normal(0, 0.6, (2, size, RANK)) for size in sizes]
        self.slopes = generator.normal(0, 0.3, (2, len(NUMBERS)))
        self.tastes = generator.normal(0, 1.2, (2, NUM_TASTES))
        self.biases = self._calibrate()

    def labels(self, shown: Exposures, generator: np.random.Generator) -> NDArray[np.int8]:
        """A click and a conversion of every row, int8 `[N, 2]`."""
        draws = [generator.random(len(shown.ids)) for _ in range(2)]
        logits = self._logits(shown)
        click, bought = (
            draw < _sigmoid(logit + bias)
            for draw, logit, bias in zip(draws, logits, self.biases, strict=True)
        )
        return np.stack([click, click & bought], axis=1).astype(np.int8)

    def _logits(self, shown: Exposures) -> tuple[Floats, Floats]:
        """Of a click, and of a conversion given a click; no biases yet."""
        click, other = (self._own_logit(shown, task) for task in range(2))
        return click, 0.5 * click + other

    def _own_logit(self, shown: Exposures, task: int) -> Floats:
        columns = shown.ids.T
        logit = sum(
            effects[column] for effects, column in zip(self.effects[task], columns, strict=True)
        )
        left, right = (
            factors[task][columns[place]]
            for factors, place in zip(self.factors, CROSSED, strict=True)
        )
        numbers, is_item = shown.numbers, shown.history != PADDING
        tastes = self.tastes[task][shown.history % NUM_TASTES] * is_item
        own: Floats = (
            logit
            + (left * right).sum(axis=1)
            + numbers @ self.slopes[task]
            + 0.4 * numbers[:, 0] * numbers[:, 1]
            + tastes.sum(axis=1) / is_item.sum(axis=1)
        )
        return own

    def _calibrate(self) -> tuple[float, float]:
        shown = exposures(np.random.default_rng([11, CALIBRATION_CHUNK]), CALIBRATION_ROWS)
        click, conversion = self._logits(shown)
        click_bias = _bias(click, np.ones(len(click)))
        return click_bias, _bias(conversion, _sigmoid(click + click_bias))


def exposures(generator: np.random.Generator, rows: int) -> Exposures:
    """Rows of common and rare ids, normal numbers and histories of every length."""
    ids = np.stack([_skewed(generator, size, (rows,)) for size in VOCABULARIES], axis=1)
    ids[:, ITEM] = np.maximum(ids[:, ITEM], PADDING + 1)
    numbers = generator.normal(0, 1, (rows, len(NUMBERS))).astype(np.float32)
    drawn = _skewed(generator, VOCABULARIES[ITEM], (rows, LONGEST_HISTORY))
    history = np.maximum(drawn, PADDING + 1)
    lengths = generator.integers(1, LONGEST_HISTORY + 1, rows)
    history[np.arange(LONGEST_HISTORY) >= lengths[:, None]] = PADDING
    return Exposures(ids, numbers, history)


class _PlainIds:
    """Integers from 0, as rivals want them."""

    def column(self, place: int, ids: Ids) -> pa.Array:
        return pa.array(ids)


class _RawIds:
    """Every second column strings, the others integers of 63 bits, as they stand in a raw log."""

    def __init__(self) -> None:
        self._names: dict[int, pa.Array] = {}

    def column(self, place: int, ids: Ids) -> pa.Array:
        if place % 2:
            spread = (ids.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
            return pa.array((spread >> np.uint64(1)).astype(np.int64))
        if place not in self._names:
            names = [f"{CATEGORICALS[place]}-{number:07d}" for number in range(VOCABULARIES[place])]
            self._names[place] = pa.array(names)
        return self._names[place].take(pa.array(ids))


def _tables(
    worlds: list[World], form: _PlainIds | _RawIds, rows: int, first_chunk: int
) -> Iterator[pa.Table]:
    for number, start in enumerate(range(0, rows, CHUNK_ROWS)):
        generator = np.random.default_rng([11, first_chunk + number])
        shown = exposures(generator, min(CHUNK_ROWS, rows - start))
        labels = np.concatenate([world.labels(shown, generator) for world in worlds], axis=1)
        yield _table(shown, labels, form)


def _table(shown: Exposures, labels: NDArray[np.int8], form: _PlainIds | _RawIds) -> pa.Table:
    columns = {
        name: form.column(place, np.ascontiguousarray(shown.ids[:, place]))
        for place, name in enumerate(CATEGORICALS)
    }
    columns |= {name: pa.array(shown.numbers[:, place]) for place, name in enumerate(NUMBERS)}
    is_item = shown.history != PADDING
    offsets = np.concatenate([[0], is_item.sum(axis=1).cumsum()]).astype(np.int32)
    items = form.column(ITEM, shown.history[is_item])
    columns[HISTORY] = pa.ListArray.from_arrays(pa.array(offsets), items)
    names = task_names(labels.shape[1])
    return pa.table(
        columns | {name: pa.array(labels[:, place]) for place, name in enumerate(names)}
    )


def _skewed(generator: np.random.Generator, size: int, shape: tuple[int, ...]) -> Ids:
    """Ids by a bounded power law: the steeper, the smaller the vocabulary."""
    power = 1 - (1.05 if size < 50_000 else 0.8)
    ranks = ((float(size) ** power - 1) * generator.random(shape) + 1) ** (1 / power)
    ids: Ids = np.minimum(ranks.astype(np.int64) - 1, size - 1).astype(np.int32)
    return ids


def _bias(logits: Floats, weights: Floats) -> float:
    """What is to be added to logits so that their weighted mean rate is `RATE`."""
    low, high = -30.0, 30.0
    for _ in range(60):
        middle = (low + high) / 2
        rate = np.average(_sigmoid(logits + middle), weights=weights)
        low, high = (middle, high) if rate < RATE else (low, middle)
    return low


def _sigmoid(logits: Floats) -> Floats:
    rates: Floats = 1.0 / (1.0 + np.exp(-logits))
    return rates
