"""Does an untouched run reach the published band? Primary metrics on test rows, over seeds.

    python benchmarks/quality.py --sets census_income --seeds 5 --json quality.json

The model `default` is `plait.train` with no argument beyond the data, the tasks and the seed. Its
mean is held against the set's bars, where it has any.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from _report import Row, data_folder, parser, report
from _sets import SETS, Recipe

from plait import PLE, MMoE, Run, SingleTask, Training, train
from plait.metrics import mean_interval, primary_metric
from plait.models import ArchitectureFactory

MODELS: dict[str, ArchitectureFactory] = {"single_task": SingleTask, "MMoE": MMoE, "PLE": PLE}
SMOKE_STEPS = 20


def main() -> None:
    """Train every model on every set with every seed, and report."""
    made = parser("Primary metrics on test rows, over seeds.")
    made.add_argument("--sets", default="census_income", help=f"of {', '.join(SETS)}, by comma")
    made.add_argument("--models", default="default", help=f"of default, {', '.join(MODELS)}")
    made.add_argument("--seeds", type=int, default=5, help="how many, from 0")
    arguments = made.parse_args()
    folder = data_folder(arguments)
    seeds = range(2 if arguments.smoke else arguments.seeds)
    recipes = [recipe for name in arguments.sets.split(",") for recipe in SETS[name]]
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="plait-") as scratch:
        for recipe in recipes[:1] if arguments.smoke else recipes:
            for model in arguments.models.split(","):
                judge = partial(_judge, recipe, folder, model, smoke=arguments.smoke)
                runs = [judge(seed, Path(scratch)) for seed in seeds]
                has_bars = model == "default" and not arguments.smoke
                rows += _rows(recipe, model, runs, bars=recipe.bars if has_bars else {})
    report(rows, arguments)


def _judge(
    recipe: Recipe, folder: Path, model: str, seed: int, scratch: Path, *, smoke: bool
) -> tuple[Run, float]:
    """One run, and how many seconds it took."""
    begun = time.perf_counter()
    fit = train if model == "default" else partial(train, architecture=MODELS[model])
    run = fit(
        recipe.log(folder),
        schema=recipe.schema,
        tasks=recipe.tasks,
        tables=recipe.tables(folder),
        split=recipe.split,
        training=Training(seed=seed, max_steps=SMOKE_STEPS if smoke else None),
        cache=scratch / "prepared",
        out=scratch / f"{recipe.name}-{model}-{seed}",
    )
    return run, time.perf_counter() - begun


def _rows(
    recipe: Recipe, model: str, runs: Sequence[tuple[Run, float]], *, bars: Mapping[str, float]
) -> Iterator[Row]:
    """One row a task: mean over the seeds, Student's t interval, each seed's value."""
    for task in recipe.tasks:
        metric = primary_metric(task).name
        values = [run.evaluation.tasks[task.name][metric].value for run, _ in runs]
        mean = mean_interval(values)
        bar = bars.get(task.name)
        yield {
            "set": recipe.name,
            "task": task.name,
            "model": model,
            "metric": metric,
            "mean": mean.value,
            "low": mean.low,
            "high": mean.high,
            "seeds": len(values),
            "values": values,
            "bar": bar,
            "met": None if bar is None else mean.value >= bar,
            "epochs": sum(len(run.history.evaluations) for run, _ in runs) / len(runs),
            "seconds": sum(seconds for _, seconds in runs) / len(runs),
        }


if __name__ == "__main__":
    main()
