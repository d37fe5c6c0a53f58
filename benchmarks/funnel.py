"""Can a chain's predictions be taken at their word? Order and calibration on Hillstrom's funnel.

    python benchmarks/funnel.py --json funnel.json

Visit, conversion (a chain on visit) and spend are predicted for every row by a model that did not
see it: ten folds, each predicted by a model trained on eight others and stopped on the ninth.
Predicted over actual total (PCOC) is pooled over all rows; its interval is a bootstrap over rows.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
from _report import Row, data_folder, parser, report
from _sets import HILLSTROM

from plait import Chain, ColumnSplit, Training, train
from plait.metrics import paired_bootstrap, pcoc

FOLDS = 10
SMOKE_ROWS = 2_000
LABELS = {
    "visit": "visit",
    "conversion": "conversion",
    "conversion_given_visit": "conversion",
    "spend": "spend",
}
"""The column that says what happened, by output."""


def main() -> None:
    """Predict every fold, and report."""
    made = parser("Order and calibration of a funnel's predictions, cross-fitted.")
    made.add_argument("--seed", type=int, default=0)
    arguments = made.parse_args()
    log = pl.read_parquet(HILLSTROM.log(data_folder(arguments)))
    folds = range(2 if arguments.smoke else FOLDS)
    steps = None
    if arguments.smoke:
        log, steps = log.sample(SMOKE_ROWS, seed=0), 4
    with tempfile.TemporaryDirectory(prefix="plait-") as scratch:
        training = Training(seed=arguments.seed, max_steps=steps)
        parts = [_predict(log, fold, training, Path(scratch)) for fold in folds]
    predicted = pl.concat(parts)
    rows = [_order(predicted)]
    rows += _calibration(predicted, np.random.default_rng(arguments.seed), judged=steps is None)
    report(rows, arguments)


def _predict(log: pl.DataFrame, fold: int, training: Training, scratch: Path) -> pl.DataFrame:
    """Labels and predictions of one fold."""
    after = (fold + 1) % FOLDS
    rest = tuple(other for other in range(FOLDS) if other not in (fold, after))
    run = train(
        log,
        schema=HILLSTROM.schema,
        tasks=HILLSTROM.tasks,
        split=ColumnSplit("fold", train=rest, valid=(after,), test=(fold,)),
        links=(Chain(parent="visit", child="conversion"),),
        training=training,
        out=scratch / f"fold-{fold}",
    )
    rows = log.filter(pl.col("fold") == fold)
    labels = rows.select(pl.col(sorted(set(LABELS.values()))).name.suffix(".label"))
    return pl.concat([run.predictor.predict(rows), labels], how="horizontal")


def _order(predicted: pl.DataFrame) -> Row:
    """On how many rows a conversion is more likely than the visit that it needs."""
    above = int((predicted["conversion"] > predicted["visit"]).sum())
    return {
        "set": HILLSTROM.name,
        "task": "conversion",
        "metric": "rows above visit",
        "value": above,
        "rows": len(predicted),
        "met": above == 0,
    }


def _calibration(
    predicted: pl.DataFrame, generator: np.random.Generator, *, judged: bool
) -> Iterator[Row]:
    """PCOC of every output; met where the interval holds 1.

    What happened, taken as a prediction, has a PCOC of 1: the bootstrap of the difference to it
    gives the interval.
    """
    for output, label in LABELS.items():
        rows = predicted
        if output == "conversion_given_visit":
            rows = predicted.filter(pl.col("visit.label") == 1)
        found, actual = rows[output].to_numpy(), rows[f"{label}.label"].to_numpy()
        gap = paired_bootstrap(pcoc, found, actual, actual, generator=generator)
        yield {
            "set": HILLSTROM.name,
            "task": output,
            "metric": "pcoc",
            "value": 1 + gap.value,
            "low": 1 + gap.low,
            "high": 1 + gap.high,
            "rows": len(rows),
            "positives": int((actual > 0).sum()),
            "met": gap.low <= 0 <= gap.high if judged and math.isfinite(gap.value) else None,
        }


if __name__ == "__main__":
    main()
