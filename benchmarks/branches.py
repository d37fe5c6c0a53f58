"""Do factorisation, sequence and deep network say more together than each alone?

    python benchmarks/branches.py --seeds 5 --json branches.json

MovieLens-100K by time (the catalogue's `ml100k_time`), three tasks, the test rows. Each model has
the same settings of training and none was tuned:

- `factorisation`: user and item alone, `w · (p * q)` and biases; no hidden layer anywhere;
- `sequence`: the item and the user's last 20 items, the liked ones among them by DIN and by the
  factorised chain `FPMC`;
- `deep`: all features of the set through the default sharing structure; no product, no past;
- `together`: all of these at once in one network.

A `gain` is the paired difference of `together` to a model over the seeds with Student's 95 %
interval; above zero is better for `together`, also where the metric is an error.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from _report import Row, data_folder, parser, report
from _sets import ML100K_TIME

from plait import History, SharedBottom, Training, train
from plait.data.schema import Schema
from plait.metrics import paired_difference, primary_metric
from plait.modules.sequences import DIN
from plait.modules.terms import FPMC

SCHEMA = replace(ML100K_TIME.schema, time="time_rank")
"""Without ties, so that a row's past is what lies strictly before it."""

TOGETHER = "together"
PAST = History(features=(), cross=(), sequence_length=20)
LIKED = "history.user.like.items"
SEQUENCE = {
    "sequence_of": {LIKED: DIN},
    "terms": [partial(FPMC, sequence=LIKED)],
    "history": PAST,
}
NO_LAYERS = {"architecture": partial(SharedBottom, layers=(), dropout=0.0), "tower": ()}


def models(schema: Schema) -> Mapping[str, Mapping[str, Any]]:
    """What is trained, as arguments of `train`."""
    ids = _only(schema, "user_id", "item_id")
    return {
        "factorisation": {"schema": ids, "history": False, **NO_LAYERS},
        "sequence": {"schema": _only(schema, "item_id"), "factors": 0, **SEQUENCE},
        "deep": {"schema": schema, "history": False, "factors": 0},
        TOGETHER: {"schema": schema, **SEQUENCE},
    }


def main() -> None:
    """Train all models with each seed, and report."""
    made = parser("Factorisation, sequence and deep network, alone and together.")
    made.add_argument("--seeds", type=int, default=5)
    arguments = made.parse_args()
    seeds = range(2 if arguments.smoke else arguments.seeds)
    data = data_folder(arguments)
    found: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory(prefix="plait-") as scratch:
        for seed in seeds:
            for name, given in models(SCHEMA).items():
                judged = _judged(data, given, seed, Path(scratch), is_smoke=arguments.smoke)
                found.setdefault(name, []).append(judged)
                print(seed, name, judged, file=sys.stderr, flush=True)
    report(list(_rows(found)), arguments)


def _judged(
    data: Path, given: Mapping[str, Any], seed: int, scratch: Path, *, is_smoke: bool
) -> dict[str, float]:
    """The primary metric of each task on the test rows."""
    recipe = ML100K_TIME
    log = pl.read_parquet(recipe.log(data))
    if is_smoke:  # a twentieth of the rows of each part
        log = log.filter(pl.col("time_rank") % 20 == 0)
    settings = Training(seed=seed, patience=2, max_steps=2 if is_smoke else None)
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        run = train(
            log,
            tasks=recipe.tasks,
            split=recipe.split,
            tables=recipe.tables(data),
            training=settings,
            cache=scratch / "prepared",
            out=folder,
            **given,
        )
        return {
            task.name: run.evaluation.tasks[task.name][primary_metric(task).name].value
            for task in recipe.tasks
        }


def _rows(found: Mapping[str, Sequence[Mapping[str, float]]]) -> Iterator[Row]:
    for task in ML100K_TIME.tasks:
        metric = primary_metric(task)
        sign = 1.0 if metric.higher_is_better else -1.0
        ours = np.array([values[task.name] for values in found[TOGETHER]])
        for name, runs in found.items():
            theirs = np.array([values[task.name] for values in runs])
            row: dict[str, Any] = {
                "task": task.name,
                "metric": metric.name,
                "model": name,
                "mean": float(theirs.mean()),
                "seeds": len(theirs),
            }
            if name != TOGETHER:
                gain = paired_difference(list(sign * ours), list(sign * theirs))
                row |= {"gain of together": gain.value, "low": gain.low, "high": gain.high}
            yield row


def _only(schema: Schema, *names: str) -> Schema:
    return replace(schema, features=tuple(f for f in schema.features if f.name in names))


if __name__ == "__main__":
    main()
