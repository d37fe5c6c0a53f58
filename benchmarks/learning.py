"""What do the three ways to learn bring: joint features, soft labels, hybrid?

    python benchmarks/learning.py --world --seeds 6 --json learning.json
    python benchmarks/learning.py --noise --seeds 3
    python benchmarks/learning.py --real --sets census_income --seeds 3

`--world` is the semi-supervised world of `plait.data.simulation`: mean test AUC of both tasks
beside supervised training, paired by seed, for each share of labels and of labels that are turned
round; and two worlds that are made against the methods: in one the fields tell nothing of the
labels, in the other labels stand on the rows of some ids alone, so that teachers never saw the
rest.

`--noise` turns round a fifth of two labels of the census set, in training and validation rows:
predicted over observed rates (PCOC) on clean test rows.

`--real` keeps 1, 5 and 10 % of the labels of each set's first task, the other tasks whole: its AUC,
normalised entropy and PCOC beside those of supervised training.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
from _report import Row, data_folder, parser, report
from _sets import SETS, Recipe
from _world import Cell, gains

from plait import (
    Binary,
    FiniteDifference,
    GradientNorm,
    Hybrid,
    JointFeatures,
    SoftLabels,
    Training,
    train,
)
from plait.data.log import Log
from plait.data.reading import read
from plait.data.simulation import SemiSupervisedSettings
from plait.methods import Method
from plait.metrics import paired_difference

METHODS: dict[str, Method] = {
    "joint fd": JointFeatures(penalty=FiniteDifference(radius=0.2)),
    "joint plain": JointFeatures(penalty=GradientNorm(strength=3.0, form="plain")),
    "soft labels": SoftLabels(),
    "hybrid": Hybrid(),
    "hybrid, soft labels": SoftLabels(start=Hybrid()),
}
GRID = [Cell(labelled, flip) for labelled in (0.01, 0.05, 0.1) for flip in (0.0, 0.2, 0.4)]
ADVERSARIAL = [Cell(0.05, field_signal=0.0), Cell(0.05, domain=0.4)]
"""Settled before any method was run on them."""

FLIP = 0.2
SHARES = (0.01, 0.05, 0.1)


def main() -> None:
    """Measure what was asked for, and report after each part."""
    made = parser("Gains of the three ways to learn.")
    made.add_argument("--world", action="store_true", help="the semi-supervised world")
    made.add_argument("--noise", action="store_true", help="a fifth of the labels turned round")
    made.add_argument("--real", action="store_true", help="real sets with few labels")
    made.add_argument(
        "--cells", default="", help="of --world: share/flip[/signal[/domain]], by comma"
    )
    made.add_argument("--sets", default="census_income,ml100k,steam200k", help="of --real")
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
        rows += _of_noise(data_folder(arguments), seeds)
        report(rows, arguments)
    if arguments.real and not arguments.smoke:
        for name in arguments.sets.split(","):
            rows += _of_set(SETS[name][0], data_folder(arguments), chosen, seeds)
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
        {"hybrid, soft labels": SoftLabels(members=2, start=Hybrid(pretext_epochs=1))},
        cell,
        seeds=seeds,
        training=Training(max_steps=4, batch_size=64),
        world=SemiSupervisedSettings(train_rows=2_000, test_rows=300),
        unlabelled=True,
    )


def _of_noise(folder: Path, seeds: Sequence[int]) -> Iterator[Row]:
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
        frame = _frame(recipe, folder)
        test = ~_before_test(recipe, folder)
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
                    split=recipe.split,
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


def _of_set(
    recipe: Recipe, folder: Path, methods: Mapping[str, Method], seeds: Sequence[int]
) -> Iterator[Row]:
    """Metrics of the first task, most of whose training labels are left out."""
    task = next(task for task in recipe.tasks if isinstance(task, Binary))
    for share in SHARES:
        found: dict[str, list[dict[str, float]]] = {}
        for seed in seeds:
            frame = _frame(recipe, folder)
            drawn = np.random.default_rng([seed, 4]).random(len(frame)) < share
            kept = drawn | ~_is_train(recipe, folder)
            frame = frame.with_columns(label_is_kept=pl.Series(kept))
            tasks = [
                replace(each, observed="label_is_kept") if each.name == task.name else each
                for each in recipe.tasks
            ]
            with tempfile.TemporaryDirectory(prefix="plait-") as scratch:
                for name, method in {"supervised": None, **methods}.items():
                    run = train(
                        frame,
                        schema=recipe.schema,
                        tasks=tasks,
                        tables=recipe.tables(folder),
                        split=recipe.split,
                        method=method,
                        training=Training(seed=seed),
                        cache=Path(scratch) / "prepared",
                        out=Path(scratch) / name,
                    )
                    told = run.evaluation.tasks[task.name]
                    found.setdefault(name, []).append(
                        {metric: told[metric].value for metric in ("auc", "ne", "pcoc")}
                    )
        for name, values in found.items():
            for metric in ("auc", "ne"):
                own = np.array([value[metric] for value in values])
                base = np.array([value[metric] for value in found["supervised"]])
                row: dict[str, str | float | int] = {
                    "what": metric,
                    "set": recipe.name,
                    "task": task.name,
                    "labelled": share,
                    "method": name,
                    "value": float(own.mean()),
                    "PCOC": float(np.mean([value["pcoc"] for value in values])),
                    "seeds": len(own),
                }
                if name != "supervised":
                    gap = paired_difference(own, base)
                    row |= {"gain": gap.value, "low": gap.low, "high": gap.high}
                yield row


def _frame(recipe: Recipe, folder: Path) -> pl.DataFrame:
    log = read(recipe.log(folder))
    return log.collect() if isinstance(log, pl.LazyFrame) else log


def _parts(recipe: Recipe, folder: Path) -> np.ndarray:
    log = Log((recipe.log(folder),), recipe.schema, recipe.tasks, recipe.tables(folder))
    return recipe.split.assign(log.rows(), recipe.schema)


def _is_train(recipe: Recipe, folder: Path) -> np.ndarray:
    return _parts(recipe, folder) == 0


def _before_test(recipe: Recipe, folder: Path) -> np.ndarray:
    return _parts(recipe, folder) < 2


if __name__ == "__main__":
    main()
