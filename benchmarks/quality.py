"""Are untouched defaults as good as simple baselines and tuned trees? Test rows, over seeds.

    python benchmarks/quality.py --sets census_income,ml100k --models default,trees --seeds 5

`default` is `plait.train` with no argument beyond the data, the tasks and the seed; `single_task`
is the same network trained on one task at a time; `constant`, `item_mean` and `logistic` are simple
baselines; `trees` are scikit-learn's histogram trees, the best of 20 settings on the validation
rows, with the same features and the same history. Other names are architectures, with defaults.

The mean of `default` is held against the set's bars. Where `trees` stand beside it, so is the
difference: the mean over the seeds, with a bootstrap interval over users (rows where there are
none) that both are measured on.

The whole takes hours. With `--work DIR` what is done is kept there, and a second call goes on.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from _report import Row, data_folder, parser, report
from _sets import SETS, Recipe
from _trees import tuned_trees
from numpy.typing import ArrayLike, NDArray

from plait import PLE, MMoE, Training, train
from plait.metrics import Value, mean_interval, paired_bootstrap, primary_metric
from plait.models import ArchitectureFactory
from plait.studies import OpenedRun, open_run
from plait.studies.baselines import BASELINES, baseline_predictions
from plait.tasks import Task
from plait.training.judging import judged_rows

ARCHITECTURES: dict[str, ArchitectureFactory] = {"MMoE": MMoE, "PLE": PLE}
MODELS = ("default", *BASELINES, *ARCHITECTURES)
SMOKE_STEPS, SMOKE_TRIALS, SMOKE_RESAMPLES = 4, 1, 20
TRIALS, RESAMPLES = 20, 400
SECONDS = "seconds.txt"


@dataclass
class Judged:
    """A model on the test rows of a set.

    Attributes:
        predictions: by task, `[N]` for each seed.
        epochs: trained, for each seed.
        seconds: for each seed.
    """

    predictions: dict[str, list[NDArray[np.float64]]] = field(default_factory=dict)
    epochs: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def main() -> None:
    """Train every model on every set with every seed, and report."""
    made = parser("Primary metrics on test rows, over seeds.")
    made.add_argument("--sets", default="census_income", help=f"of {', '.join(SETS)}, by comma")
    made.add_argument("--models", default="default", help=f"of {', '.join(MODELS)}, by comma")
    made.add_argument("--seeds", type=int, default=5, help="how many, from 0")
    made.add_argument("--work", type=Path, help="folder that keeps finished parts for a next call")
    arguments = made.parse_args()
    folder = data_folder(arguments)
    seeds = range(2 if arguments.smoke else arguments.seeds)
    recipes = [recipe for name in arguments.sets.split(",") for recipe in SETS[name]]
    models = arguments.models.split(",")
    unknown = sorted(set(models) - set(MODELS))
    if unknown:
        made.error(f"no model {unknown[0]!r}; there are {', '.join(MODELS)}")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="plait-") as scratch:
        work = Path(scratch) if arguments.work is None else arguments.work
        for recipe in recipes[:1] if arguments.smoke else recipes:
            rows += _of_set(recipe, folder, models, seeds, work, smoke=arguments.smoke)
            report(rows, arguments)


def _of_set(
    recipe: Recipe,
    folder: Path,
    models: Sequence[str],
    seeds: Sequence[int],
    scratch: Path,
    *,
    smoke: bool,
) -> list[Row]:
    """All rows of one set. Baselines are fitted on the rows of the first default run."""
    fit = partial(_fit, recipe, folder, scratch, smoke=smoke)
    opened = [fit("default", seed) for seed in seeds]
    found = {"default": _judged(opened)}
    for model in models:
        if model in ARCHITECTURES:
            found[model] = _judged([fit(model, seed) for seed in seeds])
        elif model != "default":
            runs = opened if model == "single_task" else opened[:1]
            found[model] = _baseline(recipe, runs, model, SMOKE_TRIALS if smoke else TRIALS)
    return list(_rows(recipe, found, opened[0], smoke=smoke))


def _rows(
    recipe: Recipe, found: Mapping[str, Judged], run: OpenedRun, *, smoke: bool
) -> Iterator[Row]:
    for task in recipe.tasks:
        for model, judged in found.items():
            if task.name in judged.predictions:
                bars = recipe.bars if model == "default" and not smoke else {}
                yield _row(recipe, task, model, judged, run, bars)
        for model in found:
            if model in ("trees", "single_task") and task.name in found[model].predictions:
                resamples = SMOKE_RESAMPLES if smoke else RESAMPLES
                yield _difference(recipe, task, model, found, run, resamples)


def _fit(
    recipe: Recipe, folder: Path, scratch: Path, model: str, seed: int, *, smoke: bool
) -> OpenedRun:
    """One run, or what an earlier call left of it."""
    out = scratch / f"{recipe.name}-{model}-{seed}"
    if not (out / SECONDS).exists():
        begun = time.perf_counter()
        fit = train if model == "default" else partial(train, architecture=ARCHITECTURES[model])
        fit(
            recipe.log(folder),
            schema=recipe.schema,
            tasks=recipe.tasks,
            tables=recipe.tables(folder),
            split=recipe.split,
            training=Training(seed=seed, max_steps=SMOKE_STEPS if smoke else None),
            cache=scratch / "prepared",
            out=out,
            resume=True,
        )
        (out / SECONDS).write_text(str(time.perf_counter() - begun), encoding="utf-8")
    return open_run(out, cache=scratch / "prepared")


def _judged(runs: Sequence[OpenedRun]) -> Judged:
    judged = Judged()
    for run in runs:
        for task, predictions in run.predictions.items():
            judged.predictions.setdefault(task, []).append(predictions.astype(np.float64))
        judged.epochs.append(len(run.evaluations))
        judged.seconds.append(float((run.folder / SECONDS).read_text(encoding="utf-8")))
    return judged


def _baseline(recipe: Recipe, runs: Sequence[OpenedRun], model: str, trials: int) -> Judged:
    """A baseline fitted beside each of these runs, on their rows, or what an earlier call left."""
    judged = Judged()
    for run in runs:
        spent = 0.0
        for task in recipe.tasks:
            kept = run.folder / f"{model}-{task.name}.npz"
            if not kept.exists():
                begun = time.perf_counter()
                predictions = _baseline_predictions(run, task, model, trials)
                np.savez(kept, predictions=predictions, seconds=time.perf_counter() - begun)
            with np.load(kept) as file:
                spent += float(file["seconds"])
                if len(file["predictions"]):
                    judged.predictions.setdefault(task.name, []).append(file["predictions"])
        judged.seconds.append(spent)
    return judged


def _baseline_predictions(
    run: OpenedRun, task: Task, model: str, trials: int
) -> NDArray[np.float64]:
    """Predictions for every test row; none where the baseline does not exist."""
    if model == "trees":
        valid = run.prepared.valid
        assert valid is not None
        return tuned_trees(task, run.train, valid, run.judged, trials=trials, seed=0)
    name = next(name for name in BASELINES if name == model)
    found = baseline_predictions(run, name, task.name, seed=0)
    return np.empty(0) if isinstance(found, str) else found.astype(np.float64)


def _row(
    recipe: Recipe,
    task: Task,
    model: str,
    judged: Judged,
    run: OpenedRun,
    bars: Mapping[str, float],
) -> Row:
    """Mean over the seeds, Student's t interval, each seed's value."""
    metric = primary_metric(task)
    values = [
        _measure(task, _seen(run, task, predictions)[0], _seen(run, task, predictions)[1])
        for predictions in judged.predictions[task.name]
    ]
    mean = mean_interval(values)
    bar = bars.get(task.name)
    sign = 1 if metric.higher_is_better else -1
    return {
        "set": recipe.name,
        "task": task.name,
        "model": model,
        "metric": metric.name,
        "mean": mean.value,
        "low": mean.low,
        "high": mean.high,
        "seeds": len(values),
        "values": values,
        "bar": bar,
        "met": None if bar is None else sign * mean.value >= sign * bar,
        "epochs": float(np.mean(judged.epochs)) if judged.epochs else None,
        "seconds": float(np.mean(judged.seconds)),
    }


def _difference(
    recipe: Recipe,
    task: Task,
    other: str,
    found: Mapping[str, Judged],
    run: OpenedRun,
    resamples: int,
) -> Row:
    """Mean over the seeds of default minus the other, with a bootstrap interval."""
    metric = primary_metric(task)
    first = [_seen(run, task, one)[0] for one in found["default"].predictions[task.name]]
    second = [_seen(run, task, one)[0] for one in found[other].predictions[task.name]]
    targets = _seen(run, task, found["default"].predictions[task.name][0])[1]
    users = None if run.schema.user is None else run.judged.key("user")
    gap = paired_bootstrap(
        partial(_mean_measure, task),
        np.stack(first),
        np.stack(second),
        targets,
        generator=np.random.default_rng(0),
        clusters=None if users is None else users[run.judged.observed(task.name)],
        num_resamples=resamples,
    )
    bar = recipe.margins.get(task.name) if other == "trees" and resamples == RESAMPLES else None
    sign = 1 if metric.higher_is_better else -1
    return {
        "set": recipe.name,
        "task": task.name,
        "model": f"default - {other}",
        "metric": metric.name,
        "mean": gap.value,
        "low": gap.low,
        "high": gap.high,
        "seeds": len(first),
        "bar": bar,
        "met": None if bar is None else sign * gap.value >= sign * bar,
    }


def _seen(
    run: OpenedRun, task: Task, predictions: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Predictions and labels of the rows on which the task is judged."""
    rows = judged_rows(run.model, run.judged, task.name, predictions.astype(np.float32))
    return rows.predictions.astype(np.float64), rows.targets


def _measure(
    task: Task, predictions: ArrayLike, targets: ArrayLike, weights: ArrayLike | None = None
) -> float:
    metric = primary_metric(task)
    metric.update(predictions, targets, weights=weights)
    return metric.compute().value


def _mean_measure(
    task: Task,
    predictions: ArrayLike,
    targets: ArrayLike,
    *,
    weights: ArrayLike | None = None,
) -> Value:
    """The mean of the measure over several models' predictions `[S, n]`."""
    values = [_measure(task, one, targets, weights) for one in np.asarray(predictions)]
    return Value(float(np.mean(values)), n=len(np.asarray(targets)))


if __name__ == "__main__":
    main()
