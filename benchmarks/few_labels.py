"""What a task with few labels does to what all tasks share: a row counts alike, or a task.

    python benchmarks/few_labels.py --seeds 5 --json few_labels.json
    python benchmarks/few_labels.py --sets steam200k --seeds 5

`rows` is `normaliser="auto"`, the default: a row counts alike in every task, so that a survey which
2 % of the rows answered adds a fiftieth of what the clicks add. `tasks` is `normaliser="expected"`
for the tasks that do not know all rows: the mean loss of every task counts alike. Everything else
is untouched.

A log is one of the simulator's, drafted as `plait init` does, another world for each seed; or, with
`--sets`, one of the catalogue. The primary metric of each task on the test rows, and the gain of
`rows` over `tasks`, better is above zero: its mean with Student's interval, paired by seed, and in
how many seeds it is above zero. With `--work DIR` what is done is kept, and a second call goes on.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from _report import Row, data_folder, parser, report
from _sets import SETS

from plait import Training, train
from plait.data.simulation import FeedSettings, simulate
from plait.experiment import Experiment
from plait.metrics import Value, mean_interval, primary_metric
from plait.studies.demo.logs import drafted
from plait.tasks import Task

ROWS, SMOKE_ROWS, SMOKE_STEPS = 60_000, 4_000, 4
SMALL = FeedSettings(users=100, items=60)


@dataclass(frozen=True)
class Ready:
    """A log that can be trained on.

    Attributes:
        name: of the log, for the table.
        tasks: what is predicted.
        arguments: of `train`, but for tasks, training and folders.
    """

    name: str
    tasks: Sequence[Task]
    arguments: Mapping[str, Any]


def main() -> None:
    """Train both ways on every log, and report."""
    made = parser("A row counts alike in every task, or a task does.")
    made.add_argument("--sets", default="", help=f"of {', '.join(SETS)}, by comma (default: none)")
    made.add_argument("--rows", type=int, default=ROWS, help="of a simulated log")
    made.add_argument("--seeds", type=int, default=5, help="how many, from 0")
    made.add_argument("--work", type=Path, help="folder that keeps finished runs for a next call")
    arguments = made.parse_args()
    seeds = range(2 if arguments.smoke else arguments.seeds)
    steps = SMOKE_STEPS if arguments.smoke else None
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="plait-") as scratch:
        work = Path(scratch) if arguments.work is None else arguments.work
        work.mkdir(parents=True, exist_ok=True)
        for name in arguments.sets.split(",") if arguments.sets else ("simulated",):
            found: dict[tuple[str, str], list[tuple[float, float]]] = {}
            for seed in seeds:
                for ready in _logs(name, seed, work, arguments):
                    for task, pair in _both(ready, seed, work, steps).items():
                        found.setdefault((ready.name, task), []).append(pair)
            rows += [_row(*whose, pairs) for whose, pairs in found.items()]
            report(rows, arguments)


def _logs(name: str, seed: int, work: Path, arguments: argparse.Namespace) -> Iterator[Ready]:
    if name == "simulated":
        yield _simulated(seed, work, arguments)
        return
    folder = data_folder(arguments)
    for number, recipe in enumerate(SETS[name], start=1):
        given = {
            "log": recipe.log(folder),
            "schema": recipe.schema,
            "tables": recipe.tables(folder),
            "split": recipe.split,
        }
        label = recipe.name if len(SETS[name]) == 1 else f"{recipe.name}-{number}"
        yield Ready(label, recipe.tasks, given)


def _simulated(seed: int, work: Path, arguments: argparse.Namespace) -> Ready:
    rows, settings = (SMOKE_ROWS, SMALL) if arguments.smoke else (arguments.rows, None)
    log, experiment = work / f"log-{seed}.parquet", work / f"experiment-{seed}.toml"
    simulate(rows, seed=seed, settings=settings).frame.write_parquet(log)
    drafted(log, experiment)
    given = dict(Experiment.read(experiment).arguments())
    tasks = given.pop("tasks")
    for own in ("training", "out", "cache"):
        given.pop(own, None)
    return Ready("simulated", tasks, given)


def _both(ready: Ready, seed: int, work: Path, steps: int | None) -> dict[str, tuple[float, float]]:
    """Each task's metric where a row counts alike, and where a task does; higher is better."""
    found: list[dict[str, float]] = []
    for way in ("rows", "tasks"):
        tasks = [_equal(task) if way == "tasks" else task for task in ready.tasks]
        run = train(
            **ready.arguments,
            tasks=tasks,
            training=Training(seed=seed, max_steps=steps),
            cache=work / "prepared",
            out=work / f"{ready.name}-{seed}-{way}",
            resume=True,
        )
        found.append({task.name: _value(task, run.evaluation.tasks[task.name]) for task in tasks})
    return {name: (value, found[1][name]) for name, value in found[0].items()}


def _equal(task: Task) -> Task:
    knows_all = task.space is None and task.observed is None
    return task if knows_all else replace(task, normaliser="expected")


def _value(task: Task, metrics: Mapping[str, Value]) -> float:
    metric = primary_metric(task)
    value = metrics[metric.name].value
    return value if metric.higher_is_better else -value


def _row(log: str, task: str, pairs: Sequence[tuple[float, float]]) -> Row:
    gains = [rows - tasks for rows, tasks in pairs]
    gain = mean_interval(gains)
    return {
        "log": log,
        "task": task,
        "rows": fmean(rows for rows, _ in pairs),
        "tasks": fmean(tasks for _, tasks in pairs),
        "gain": gain.value,
        "low": gain.low,
        "high": gain.high,
        "wins": sum(one > 0 for one in gains),
        "seeds": len(gains),
        "gains": gains,
    }


if __name__ == "__main__":
    main()
