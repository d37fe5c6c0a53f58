"""Train, judge and serve a small model on made data: what `make demo` runs.

It makes a feed log with known habits, trains one shared network and one network for each task,
prints the metrics of both on the latest fifth of the log, and predicts for five rows of it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

import plait
from plait.architectures import Architecture

USERS, ITEMS, CATEGORIES, DAYS = 1_000, 300, 12, 30
HISTORY = 10

SCHEMA = plait.Schema(
    (
        plait.Categorical("user"),
        plait.Categorical("item"),
        plait.Categorical("category"),
        plait.Numeric("age"),
        plait.Sequence("history", shares="item", max_length=HISTORY),
    ),
    user="user",
    item="item",
    time="day",
)
TASKS = (
    plait.Binary("click"),
    # A like can only follow a click, so it is learnt and judged on clicks.
    plait.Binary("like", space="click == 1", parents=("click",)),
    plait.Value("seconds"),
)
MODELS: dict[str, type[Architecture]] = {
    "one shared network": plait.SharedBottom,
    "one network a task": plait.SingleTask,
}
SHOWN = {"click": ("auc", "gauc", "pcoc"), "like": ("auc", "pcoc"), "seconds": ("xauc", "pcoc")}


def main() -> None:
    """Make the log, train both models, print and write what they are worth."""
    options = _options()
    console = Console()
    options.out.mkdir(parents=True, exist_ok=True)
    begun = time.perf_counter()
    log_file = options.out / "log.parquet"
    log = make_log(options.rows, seed=0)
    log.write_parquet(log_file)
    console.print(f"{len(log):,} rows of a made feed log: {log_file}")

    runs = {}
    for title, architecture in MODELS.items():
        console.print(f"Training {title} …")
        runs[title] = _train(log_file, architecture, options.out)
    for fact in runs["one shared network"].facts:
        console.print(f"  {fact}")
    console.print(_metrics_table(runs))
    metrics = {title: run.evaluation.to_json() for title, run in runs.items()}
    _write_json(metrics, options.out / "metrics.json")

    model = plait.load(options.out / "SharedBottom")
    console.print("Predictions for the last five rows of the log:")
    console.print(_frame_table(model.predict(log.tail(5), keep=["user", "item"])))
    console.print(f"Everything is in {options.out} ({time.perf_counter() - begun:.0f} s).")


def make_log(rows: int, *, seed: int) -> pl.DataFrame:
    """A feed log: who was shown what, and whether they clicked, liked and watched.

    People and items have tastes in four dimensions. `history` holds items that a person clicked
    before the log begins. Likes and watch time only follow clicks.
    """
    rng = np.random.default_rng(seed)
    people, things = rng.normal(size=(USERS, 4)), rng.normal(size=(ITEMS, 4))
    popularity = rng.normal(size=ITEMS)
    affinity = people @ things.T / 2  # [USERS, ITEMS]
    wanted = affinity + popularity + rng.gumbel(size=affinity.shape)
    history = np.argsort(wanted, axis=1)[:, -HISTORY:]

    user, item = rng.integers(USERS, size=rows), rng.integers(ITEMS, size=rows)
    age = rng.integers(16, 80, size=USERS)
    liking = affinity[user, item]
    click = _drawn(rng, liking + popularity[item] - 1.0)
    like = click & _drawn(rng, 1.5 * liking - 1.0)
    seconds = np.exp(rng.normal(3.0 + 0.4 * liking - 0.01 * (age[user] - 40), 0.8))
    return pl.DataFrame(
        {
            "day": np.sort(rng.integers(DAYS, size=rows)),
            "user": user,
            "item": item,
            "category": pl.Series((things[item, 0] * 3).astype(int) % CATEGORIES).cast(pl.String),
            "age": age[user],
            "history": history[user].tolist(),
            "click": click.astype(np.int8),
            "like": like.astype(np.int8),
            "seconds": np.where(click, seconds, 0.0).round(1),
        }
    )


def _drawn(rng: np.random.Generator, logit: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray(rng.random(len(logit)) < 1 / (1 + np.exp(-logit)))


def _train(log_file: Path, architecture: type[Architecture], out: Path) -> plait.Run:
    folder = out / architecture.__name__
    shutil.rmtree(folder, ignore_errors=True)  # what an earlier demo left there
    return plait.train(
        log_file,
        schema=SCHEMA,
        tasks=TASKS,
        split=plait.TimeSplit(valid=0.1, test=0.2),
        out=folder,
        cache=out / "prepared",
        architecture=architecture,
        training=plait.Training(epochs=4, batch_size=256),
    )


def _metrics_table(runs: dict[str, plait.Run]) -> Table:
    table = Table(title="On the test rows, which are the latest")
    table.add_column("task")
    table.add_column("metric")
    for title in runs:
        table.add_column(title, justify="right")
    table.add_column("rows", justify="right")
    for task, metrics in SHOWN.items():
        for metric in metrics:
            values = [run.evaluation.tasks[task][metric] for run in runs.values()]
            shown = [f"{value.value:.4f}" for value in values]
            table.add_row(task, metric, *shown, f"{values[0].n:,}")
    return table


def _frame_table(frame: pl.DataFrame) -> Table:
    table = Table(*frame.columns)
    for row in frame.iter_rows():
        table.add_row(*(f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row))
    return table


def _write_json(content: dict[str, Any], path: Path) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("plait-demo"), help="folder to write to")
    parser.add_argument("--rows", type=int, default=50_000, help="rows of the made log")
    return parser.parse_args()


if __name__ == "__main__":
    main()
