"""What do the three ways to learn bring: joint features, soft labels, hybrid?

    python benchmarks/learning.py --world --seeds 6 --json learning.json
    python benchmarks/learning.py --noise --seeds 3
    python benchmarks/learning.py --delay --seeds 5
    python benchmarks/learning.py --cvr --settings 10 --seeds 3 --json cvr.json
    python benchmarks/learning.py --real --rows 20000 --seeds 3 --json real.json

`--world` is the semi-supervised world of `plait.data.simulation`: mean test AUC of both tasks
beside supervised training, paired by seed, for each share of labels and of labels that are turned
round; and two worlds that are made against the methods: in one the fields tell nothing of the
labels, in the other labels stand on the rows of some ids alone, so that teachers never saw the
rest.

`--noise` turns round a fifth of two labels of the census set, in training and validation rows:
predicted over observed rates (PCOC) on clean test rows.

`--delay` is a feed whose purchases come two days after their click, in the mean. A model learnt on
the first week learns on every evening of two weeks; each day's clicks are judged before they are
learnt from, by what they come to in the end. `as known` takes the last three days as they stand;
`waiting` three days that ended six days ago; DFM, FNW and ES-DFM are the losses and samples of
their papers; `forward` and `bayes` are `SoftLabels` that know how long purchases take in the mean;
`what comes in the end` takes the last three days as nobody knows them yet.

`--cvr` draws settings of the simulated feed: rates, how tasks are related, how clicks select.
Everyone learns purchases from one log and is judged on all rows of a fresh one by the distance to
the true chance: a model of clicked rows `alone` (naive), one with the click as a second task, ESMM,
ESCM2 with `ips` and `dr`, NISE, and ours, five teachers who label the unclicked rows.

`--real` keeps 1, 5 and 10 % of the labels of each set's first binary task, the other tasks whole:
its AUC, normalised entropy and PCOC beside those of supervised training, with all tasks and alone.
A run is kept in the file of `--json` as soon as it is done, and a second call goes on from there;
`--budget-minutes` ends a call in time. `--rows` caps the training rows of `--noise` and `--real`,
and is the size of a log of `--cvr`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from _cvr import measure as cvr
from _delay import delays
from _keeping import within
from _report import Row, data_folder, parser, report
from _scarce import Sizes, capped, frame_of, measure
from _sets import SETS
from _world import Cell, gains

from plait import (
    ColumnSplit,
    FiniteDifference,
    GradientNorm,
    Hybrid,
    JointFeatures,
    SoftLabels,
    Training,
    train,
)
from plait.data.simulation import SemiSupervisedSettings
from plait.methods import Method
from plait.metrics import paired_difference

METHODS: dict[str, Method] = {
    "joint fd": JointFeatures(penalty=FiniteDifference(radius=0.2)),
    "joint plain": JointFeatures(penalty=GradientNorm(strength=3.0, form="plain")),
    "soft labels": SoftLabels(),
    "hybrid": Hybrid(),
    "hybrid + soft labels": SoftLabels(start=Hybrid()),
}
GRID = [Cell(labelled, flip) for labelled in (0.01, 0.05, 0.1) for flip in (0.0, 0.2, 0.4)]
ADVERSARIAL = [Cell(0.05, field_signal=0.0), Cell(0.05, domain=0.4)]
"""Settled before any method was run on them."""

FLIP = 0.2


def main() -> None:
    """Measure what was asked for, and report after each part."""
    made = parser("Gains of the three ways to learn.")
    made.add_argument("--world", action="store_true", help="the semi-supervised world")
    made.add_argument("--noise", action="store_true", help="a fifth of the labels turned round")
    made.add_argument("--delay", action="store_true", help="purchases that come days later")
    made.add_argument("--cvr", action="store_true", help="pCVR of unclicked rows, drawn settings")
    made.add_argument("--settings", type=int, default=10, help="of --cvr")
    made.add_argument("--real", action="store_true", help="real sets with few labels")
    made.add_argument(
        "--cells", default="", help="of --world: share/flip[/signal[/domain]], by comma"
    )
    made.add_argument("--sets", default=",".join(SETS), help="of --real")
    made.add_argument("--shares", default="0.01,0.05,0.1", help="of --real: labels that are kept")
    made.add_argument("--rows", type=int, help="most training rows of --noise, --cvr and --real")
    made.add_argument(
        "--budget-minutes", type=float, help="no run of --cvr or --real begins after these"
    )
    made.add_argument("--methods", default="", help="by comma; nothing: all")
    made.add_argument("--seeds", type=int, default=6, help="how many, from 0")
    arguments = made.parse_args()
    names = arguments.methods.split(",") if arguments.methods else list(METHODS)
    unknown = [name for name in names if name not in METHODS]
    if unknown:
        made.error(f"no method {unknown[0]!r}; there are {', '.join(METHODS)}")
    chosen = {name: METHODS[name] for name in names}
    seeds = range(2 if arguments.smoke else arguments.seeds)
    rows: list[Row] = []
    if arguments.world or arguments.smoke:
        for cell in _cells(arguments.cells, smoke=arguments.smoke):
            rows += _of_world(cell, chosen, seeds, smoke=arguments.smoke)
            report(rows, arguments)
    if arguments.noise and not arguments.smoke:
        rows += _of_noise(data_folder(arguments), seeds, arguments.rows)
        report(rows, arguments)
    if arguments.delay or arguments.smoke:
        rows += delays(seeds=seeds, smoke=arguments.smoke)
        report(rows, arguments)
    if arguments.cvr or arguments.smoke:
        rows += cvr(
            1 if arguments.smoke else arguments.settings,
            seeds[:1] if arguments.smoke else seeds,
            rows=500 if arguments.smoke else arguments.rows or 20_000,
            path=None if arguments.smoke else arguments.json,
            may_begin=within(arguments.budget_minutes),
            steps=2 if arguments.smoke else None,
        )
        report(rows, arguments)
    if arguments.real and not arguments.smoke:
        rows += measure(
            [SETS[name][0] for name in arguments.sets.split(",")],
            chosen,
            folder=data_folder(arguments),
            shares=[float(share) for share in arguments.shares.split(",")],
            seeds=seeds,
            sizes=Sizes(arguments.rows),
            path=arguments.json,
            may_begin=within(arguments.budget_minutes),
        )
        report(rows, arguments)


def _cells(written: str, *, smoke: bool) -> list[Cell]:
    if smoke:
        return [Cell(0.05, domain=0.4)]
    if not written:
        return [*GRID, *ADVERSARIAL]
    return [Cell(*map(float, cell.split("/"))) for cell in written.split(",")]


def _of_world(
    cell: Cell, methods: Mapping[str, Method], seeds: Sequence[int], *, smoke: bool
) -> list[Row]:
    if not smoke:
        return gains(methods, cell, seeds=seeds, unlabelled=True)
    return gains(
        {"hybrid + soft labels": SoftLabels(members=2, start=Hybrid(pretext_epochs=1))},
        cell,
        seeds=seeds,
        training=Training(max_steps=4, batch_size=64),
        world=SemiSupervisedSettings(train_rows=2_000, test_rows=300),
        unlabelled=True,
    )


def _of_noise(folder: Path, seeds: Sequence[int], most: int | None) -> Iterator[Row]:
    """PCOC on clean test rows of models whose training labels were turned round."""
    recipe = next(recipe for recipe in SETS["census_income"] if recipe.name.endswith("_2"))
    wrong = {task.name: FLIP for task in recipe.tasks}
    methods: dict[str, Method | None] = {
        "supervised": None,
        "bayes": SoftLabels(mode="bayes", missed=wrong, false=wrong),
        "bayes, estimated": SoftLabels(mode="bayes"),
        "forward": SoftLabels(mode="forward", missed=wrong, false=wrong),
    }
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    base: dict[str, float] = {}
    for seed in seeds:
        frame = capped(frame_of(recipe, folder), seed, most)
        test = (frame["part"] == "test").to_numpy()
        generator = np.random.default_rng([seed, 3])
        for task in recipe.tasks:
            base[task.name] = float(frame.filter(pl.Series(test))[task.label_expression].mean())
            turned = (generator.random(len(frame)) < FLIP) & ~test
            frame = frame.with_columns(
                pl.Series(
                    task.label_expression, frame[task.label_expression].to_numpy() ^ turned
                ).cast(pl.Int8)
            )
        with tempfile.TemporaryDirectory(prefix="plait-") as scratch:
            for name, method in methods.items():
                run = train(
                    frame,
                    schema=recipe.schema,
                    tasks=recipe.tasks,
                    split=ColumnSplit("part"),
                    method=method,
                    training=Training(seed=seed),
                    cache=Path(scratch) / "prepared",
                    out=Path(scratch) / name,
                )
                for task in recipe.tasks:
                    told = run.evaluation.tasks[task.name]
                    pair = told["pcoc"].value, told["auc"].value
                    found.setdefault((task.name, name), []).append(pair)
    for (task_name, name), pairs in found.items():
        pcoc, auc = np.array(pairs).T
        middle = paired_difference(pcoc, np.ones_like(pcoc))
        rate = base[task_name]
        yield {
            "what": "PCOC",
            "task": task_name,
            "method": name,
            "value": float(pcoc.mean()),
            "low": 1 + middle.low,
            "high": 1 + middle.high,
            "predicted": (FLIP + (1 - 2 * FLIP) * rate) / rate if name == "supervised" else 1.0,
            "AUC": float(auc.mean()),
            "seeds": len(pairs),
        }


if __name__ == "__main__":
    main()
