"""How many rows a second does the loader hand out?

    python benchmarks/loader.py --json loader.json

A store of 20 categorical and 8 numeric columns, two tasks and a key, in batches of 2048; each way
of loading goes through the store once to warm up and then three times, of which the median counts.
The rows are generated: `--data` is not used.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
from _report import Row, parser, report

from plait.data.loading import BatchLoader, NegativeSampling
from plait.data.preprocessing import Preprocessor
from plait.data.schema import Categorical, Numeric, Schema
from plait.data.store import Store
from plait.data.writing import StoreWriter

NUM_ROWS, SMOKE_ROWS = 2_000_000, 10_000
CHUNK_ROWS = 131_072
BATCH_SIZE = 2048
REPEATS = 3
TASKS = ("click", "buy")

SCHEMA = Schema(
    (
        *(Categorical(f"c{place}") for place in range(20)),
        *(Numeric(f"n{place}") for place in range(8)),
    ),
    user="c0",
)


def main() -> None:
    """Write the store, and time preparing and loading."""
    arguments = parser("Rows a second of preparing and loading.").parse_args()
    frame = _log(SMOKE_ROWS if arguments.smoke else NUM_ROWS)
    rows: list[Row] = []
    began = time.perf_counter()
    preprocessor = Preprocessor(SCHEMA).fit(frame)
    rows.append(_row("fit", frame.height, time.perf_counter() - began))
    with tempfile.TemporaryDirectory(prefix="plait-") as scratch:
        began = time.perf_counter()
        store = _write(Path(scratch) / "store", frame, preprocessor)
        rows.append(_row("transform and write", frame.height, time.perf_counter() - began))
        for name, loader in _loaders(store).items():
            num_rows, seconds = _time(loader)
            rows.append(_row(name, num_rows, seconds))
        del store
    report(rows, arguments)


def _log(num_rows: int) -> pl.DataFrame:
    generator = np.random.default_rng(0)
    columns: dict[str, np.ndarray] = {}
    for place in range(20):
        vocabulary = int(10 ** (1 + place / 4))
        columns[f"c{place}"] = (generator.zipf(1.3, num_rows) - 1) % vocabulary
    for place in range(8):
        columns[f"n{place}"] = generator.lognormal(size=num_rows)
    return pl.DataFrame(columns)


def _write(folder: Path, frame: pl.DataFrame, preprocessor: Preprocessor) -> Store:
    generator = np.random.default_rng(1)
    with StoreWriter(folder, layout=preprocessor.layout, tasks=TASKS, keys=("user",)) as writer:
        for chunk in frame.iter_slices(CHUNK_ROWS):
            shape = (chunk.height, len(TASKS))
            writer.append(
                preprocessor.transform(chunk),
                labels=(generator.random(shape) < 0.1).astype(np.float32),
                observed=np.ones(shape, np.bool_),
                weights=np.ones(shape, np.float32),
                keys={"user": chunk["c0"]},
            )
        return writer.close()


def _loaders(store: Store) -> dict[str, BatchLoader]:
    sampling = NegativeSampling(keep_rate=0.5)
    return {
        "exact shuffle": BatchLoader(store, BATCH_SIZE),
        "exact shuffle, no prefetch": BatchLoader(store, BATCH_SIZE, prefetch=0),
        "blocks of 4096": BatchLoader(store, BATCH_SIZE, block_rows=4096),
        "in order": BatchLoader(store, BATCH_SIZE, shuffle=False),
        "half of the negatives": BatchLoader(store, BATCH_SIZE, negatives=sampling),
    }


def _time(loader: BatchLoader) -> tuple[int, float]:
    """Rows of an epoch, and the median seconds that it takes."""
    num_rows, seconds = 0, []
    for _ in range(1 + REPEATS):
        began = time.perf_counter()
        num_rows = sum(len(batch) for batch in loader)
        seconds.append(time.perf_counter() - began)
    return num_rows, statistics.median(seconds[1:])


def _row(what: str, num_rows: int, seconds: float) -> Row:
    return {
        "what": what,
        "rows": num_rows,
        "seconds": seconds,
        "rows a second": num_rows / seconds,
        "batch": BATCH_SIZE,
    }


if __name__ == "__main__":
    main()
