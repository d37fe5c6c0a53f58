"""What does the trainer cost? Rows a second of `fit`, against a bare loop over ready batches.

    python benchmarks/fit.py --json fit.json

The bare loop has the same model, losses and optimizers, and every batch lies ready in memory: no
loader, no checks, no averages of losses, no evaluation. Both run an epoch, in turn, several times;
ratios are taken within each turn, because the speed of a shared machine drifts. The ratio of CPU
seconds stands beside that of rows a second: other processes disturb it less. A third runner does
what `plait.train` does: it judges validation rows and writes checkpoints.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import NamedTuple

from _report import Row, parser, report
from _synthetic import SCHEMA, TASKS, write_log

from plait import RandomSplit, Training
from plait.data.batch import Batch
from plait.data.loading import BatchLoader
from plait.data.log import Log
from plait.data.preparing import PreparedLog, prepare
from plait.experiment.running import build
from plait.models import MultiTaskModel
from plait.training import Trainer
from plait.training.objective import Supervised
from plait.training.setup import expected_shares
from plait.training.stepping import Stepper

BAR = 0.85
ROWS, SMOKE_ROWS = 200_000, 1_500
SETTINGS = Training(epochs=1)

Runner = Callable[[MultiTaskModel], None]


class Seconds(NamedTuple):
    """What a runner took, by the clock and of the processors."""

    wall: float
    cpu: float


def main() -> None:
    """Run the loops in turn, and report medians."""
    made = parser("Rows a second of fit, against a bare loop.")
    made.add_argument("--rows", type=int, default=ROWS, help="of the made log")
    made.add_argument("--repeats", type=int, default=5)
    arguments = made.parse_args()
    repeats = 1 if arguments.smoke else arguments.repeats
    with tempfile.TemporaryDirectory(prefix="plait-") as named:
        scratch = Path(named)
        prepared = _prepared(SMOKE_ROWS if arguments.smoke else arguments.rows, scratch)
        model = build(prepared)
        runners = {
            "bare loop": _bare_loop(prepared, model),
            "fit": lambda model: _fit(model, prepared),
            "fit as in train": lambda model: _fit_and_judge(model, prepared, scratch),
        }
        if not arguments.smoke:
            _turn(runners, model, 0)  # what is imported and allocated once
        turns = [_turn(runners, model, number) for number in range(repeats)]
    report(list(_rows(turns, prepared.train.num_rows, has_bar=not arguments.smoke)), arguments)


def _prepared(rows: int, scratch: Path) -> PreparedLog:
    log = scratch / "log.parquet"
    write_log(log, rows)
    split = RandomSplit(valid=0.1, test=0)
    return prepare(Log(sources=(log,), schema=SCHEMA, tasks=TASKS), split, cache=scratch)


def _bare_loop(prepared: PreparedLog, model: MultiTaskModel) -> Runner:
    """A loop over the batches of an epoch, all of them made beforehand."""
    store = prepared.train
    batches = list(BatchLoader(store, SETTINGS.rows_per_batch(store.num_rows)))
    objective = Supervised(expected_shares(model, store), key_l2=SETTINGS.key_l2)
    return partial(_run_bare, batches=batches, objective=objective)


def _run_bare(model: MultiTaskModel, *, batches: Sequence[Batch], objective: Supervised) -> None:
    stepper = Stepper(model, SETTINGS, total_steps=len(batches))
    model.train()
    for step, batch in enumerate(batches):
        losses = objective.losses(model, batch, step)
        stepper.zero_grad()
        parts = [*losses.tasks.values(), *([] if losses.penalty is None else [losses.penalty])]
        sum(parts[1:], start=parts[0]).backward()
        stepper.step()


def _fit(model: MultiTaskModel, prepared: PreparedLog) -> None:
    Trainer(model, SETTINGS).fit(prepared.train)


def _fit_and_judge(model: MultiTaskModel, prepared: PreparedLog, scratch: Path) -> None:
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        Trainer(model, SETTINGS, folder=Path(folder)).fit(prepared.train, prepared.valid)


def _turn(runners: dict[str, Runner], model: MultiTaskModel, number: int) -> dict[str, Seconds]:
    """What each runner takes on a fresh copy of the model; who begins changes turn by turn."""
    names = list(runners)
    first = number % len(names)
    seconds: dict[str, Seconds] = {}
    for name in names[first:] + names[:first]:
        copy = deepcopy(model)
        wall, cpu = time.perf_counter(), time.process_time()
        runners[name](copy)
        seconds[name] = Seconds(time.perf_counter() - wall, time.process_time() - cpu)
    return seconds


def _rows(turns: Sequence[dict[str, Seconds]], rows: int, *, has_bar: bool) -> Iterator[Row]:
    for name in turns[0]:
        ratios = [turn["bare loop"].wall / turn[name].wall for turn in turns]
        cpu_ratios = [turn["bare loop"].cpu / turn[name].cpu for turn in turns]
        ratio = statistics.median(ratios)
        bar = BAR if has_bar and name == "fit" else None
        yield {
            "set": f"synthetic {rows}",
            "task": name,
            "metric": "rows_per_second",
            "median": statistics.median(rows / turn[name].wall for turn in turns),
            "ratio": ratio,
            "bar": bar,
            "met": None if bar is None else ratio >= bar,
            "cpu_ratio": statistics.median(cpu_ratios),
            "ratios": ratios,
            "cpu_ratios": cpu_ratios,
            "repeats": len(turns),
        }


if __name__ == "__main__":
    main()
