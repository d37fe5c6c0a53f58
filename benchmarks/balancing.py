"""What does a step of each balancer cost, and what does it bring over equal weights?

    python benchmarks/balancing.py --cost --json cost.json
    python benchmarks/balancing.py --truth --budget-minutes 600 --json truth.json

`--cost`: CPU time of a training step over that of equal weights, on a made log of 20 ids (tables of
up to a million rows where the log has them) and 8 numbers, with the default network, an MMoE of 4
experts, for 2, 4 and 8 tasks. Rules take the same steps in turn, several times; the median of the
ratios counts. Other processes disturb CPU time less than time by the clock. `peak_mib` is the
highest memory of the process over that of equal weights; Linux only.

`--truth`: rules x (SharedBottom, MMoE) x five logs x seeds. Each rule has four settings to choose
from by the validation rows of that seed, plain and tuned static weights among the rules, and is
judged on the test rows by each task's primary metric, turned so that higher is better. `gain` is
the mean over tasks less that of equal weights of the same seed, with Student's interval over logs,
structures and seeds; `worst_task` the least gain of a task, in the mean. The logs: census_income,
ml100k_time and steam200k of the catalogue, a world whose two tasks conflict, and one whose losses
are a thousand times apart. A run is kept in the file of `--json` as soon as it is done, and a
second call goes on from there; `--budget-minutes` ends a call in time.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from _report import Fact, Row, data_folder, parser, report
from _sets import CENSUS_1, ML100K_TIME, STEAM, Recipe
from _synthetic import SCHEMA, write_log
from _two_tasks import TWO_TASKS, two_tasks

from plait import (
    Binary,
    MMoE,
    RandomSplit,
    SharedBottom,
    Training,
)
from plait.balancing import (
    DWA,
    FAMO,
    GLS,
    IMTLG,
    IMTLL,
    MGDA,
    PCD,
    RLW,
    STCH,
    UW,
    AlignedMTL,
    Balancer,
    BaseRate,
    CAGrad,
    Equal,
    FairGrad,
    Fixed,
    GradNorm,
    MetaBalance,
    PCGrad,
    TaskFacts,
    UPGrad,
)
from plait.data.history import History
from plait.data.log import Log
from plait.data.preparing import PreparedLog, prepare
from plait.experiment.running import build
from plait.metrics import paired_difference
from plait.models import ArchitectureFactory
from plait.training import Callback, StepReport, Trainer, finish, predict_store
from plait.training.judging import mix, scores
from plait.training.setup import task_facts

COSTS: dict[str, Callable[[], Balancer]] = {
    **{rule.__name__: rule for rule in (Equal, BaseRate, RLW, UW, IMTLL, GLS, DWA, STCH, FAMO)},
    **{rule.__name__: rule for rule in (GradNorm, MGDA, PCGrad, CAGrad, IMTLG, FairGrad)},
    **{rule.__name__: rule for rule in (AlignedMTL, UPGrad)},
    "MetaBalance": lambda: MetaBalance(target="task_0"),
    "PCD": lambda: PCD(target="task_0"),
    "MGDA, encoded": lambda: MGDA(surface="encoded"),
    "MGDA, tables": lambda: MGDA(surface="tables"),
    "MGDA, parameters": lambda: MGDA(surface="parameters"),
}
RATES = (5e-4, 1e-3, 2e-3, 4e-3)
"""Of the dense layers: the four settings of a rule that has none of its own."""
Setting = tuple[Callable[[Mapping[str, TaskFacts]], Balancer], float]
STRUCTURES: dict[str, ArchitectureFactory] = {"SharedBottom": SharedBottom, "MMoE": MMoE}


def main() -> None:
    """Measure what was asked for, and report."""
    arguments = _arguments()
    if arguments.truth:
        _truth(arguments)
        return
    counts = (2, 4, 8) if arguments.tasks is None else (arguments.tasks,)
    rows, steps, repeats = arguments.rows, arguments.steps, arguments.repeats
    if arguments.smoke:
        counts, rows, steps, repeats = (2,), 1_000, 1, 1
    report([row for n in counts for row in _costs(n, rows, steps, repeats)], arguments)


def _arguments() -> argparse.Namespace:
    made = parser("Cost and worth of balancers.")
    made.add_argument("--cost", action="store_true", help="of a step; what is done by default")
    made.add_argument("--truth", action="store_true", help="gains over equal weights")
    made.add_argument("--rows", type=int, default=200_000, help="of the log of --cost")
    made.add_argument("--steps", type=int, default=30, help="of each turn of --cost")
    made.add_argument("--repeats", type=int, default=5, help="turns of --cost")
    made.add_argument("--tasks", type=int, help="of --cost: one number (default: 2, 4 and 8)")
    made.add_argument("--seeds", type=int, default=3, help="of --truth")
    made.add_argument("--budget-minutes", type=float, help="no run of --truth begins after these")
    arguments = made.parse_args()
    if arguments.cost and arguments.truth:
        made.error("`--cost` and `--truth` are measured apart")
    return arguments


def _costs(tasks: int, rows: int, steps: int, repeats: int) -> Iterator[Row]:
    """CPU seconds of each rule over those of equal weights."""
    labels = ("click", "purchase")
    records = [Binary(f"task_{place}", label=labels[place % 2]) for place in range(tasks)]
    with tempfile.TemporaryDirectory(prefix="plait-") as named:
        log = Path(named) / "log.parquet"
        write_log(log, rows)
        whole = Log((log,), SCHEMA, tuple(records))
        split = RandomSplit(valid=0.0, test=0.0)
        prepared = prepare(whole, split, cache=Path(named))
        _turn(prepared, steps=1)  # what is imported and allocated once
        turns = [_turn(prepared, steps=steps) for _ in range(repeats)]
    for name in COSTS:
        ratios = [turn[name][0] / turn["Equal"][0] for turn in turns]
        peaks = [turn[name][1] - turn["Equal"][1] for turn in turns]
        yield {
            "what": "cost of a step",
            "rule": name,
            "tasks": tasks,
            "times_equal": statistics.median(ratios),
            "least": min(ratios),
            "most": max(ratios),
            "peak_mib": statistics.median(peaks),
        }


def _turn(prepared: PreparedLog, *, steps: int) -> Mapping[str, tuple[float, float]]:
    """CPU seconds and peak memory in MiB of each rule, for the same steps from one model."""
    start = build(prepared)
    settings = Training(max_steps=WARM_UP + steps, epochs=1000)
    found = {}
    for name, rule in COSTS.items():
        stretch = _Stretch()
        Trainer(deepcopy(start), settings, balancer=rule(), callbacks=[stretch]).fit(prepared.train)
        found[name] = (stretch.seconds, stretch.peak_mib)
    return found


WARM_UP = 2


class _Stretch(Callback):
    """CPU seconds and peak memory of the steps after the first ones."""

    def on_step(self, report: StepReport) -> None:
        """Begin after the warm-up, end with the last step."""
        if report.step == WARM_UP:
            _reset_peak()
            self._begun = time.process_time()
        if report.step == report.total_steps:
            self.seconds = time.process_time() - self._begun
            self.peak_mib = _peak_mib()


def _reset_peak() -> None:
    path = Path("/proc/self/clear_refs")
    if path.exists():
        path.write_text("5")


def _peak_mib() -> float:
    path = Path("/proc/self/status")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    found = [line.split()[1] for line in lines if line.startswith("VmHWM")]
    return float(found[0]) / 1024 if found else float("nan")


def _power_of_base_rate(facts: Mapping[str, TaskFacts], *, power: float) -> Balancer:
    """Static weights between equal ones and those of `BaseRate`, and beyond."""
    rule = BaseRate()
    rule.prepare(facts)
    return Fixed(weights={task: rule.weight(task) ** power for task in facts})


def _settings() -> dict[str, list[Setting]]:
    """Twelve rules: those that people take, of each family the one that costs least to set."""

    def same(make: Callable[[], Balancer]) -> list[Setting]:
        return [(lambda _: make(), rate) for rate in RATES]

    def pairs(one: Callable[[], Balancer], other: Callable[[], Balancer]) -> list[Setting]:
        return [(lambda _, m=make: m(), rate) for make in (one, other) for rate in RATES[1:3]]

    powers = (-0.5, 0.5, 1.0, 1.5)
    return {
        "Equal": same(Equal),
        "tuned static": [(partial(_power_of_base_rate, power=p), 1e-3) for p in powers],
        "RLW": same(RLW),
        "UW": pairs(UW, partial(UW, learning_rate=0.001)),
        "GLS": same(GLS),
        "DWA": pairs(DWA, partial(DWA, temperature=0.5)),
        "FAMO": pairs(FAMO, partial(FAMO, learning_rate=0.005)),
        "GradNorm": pairs(GradNorm, partial(GradNorm, alpha=0.5)),
        "PCGrad": same(PCGrad),
        "CAGrad": pairs(CAGrad, partial(CAGrad, c=0.8)),
        "FairGrad": pairs(FairGrad, partial(FairGrad, alpha=2.0)),
        "UPGrad": same(UPGrad),
    }


def _truth(arguments: argparse.Namespace) -> None:
    began = time.monotonic()
    path: Path | None = arguments.json
    done = _kept(path)
    training = Training()
    structures, seeds, rules = STRUCTURES, range(arguments.seeds), _settings()
    if arguments.smoke:
        training = Training(max_steps=3, batch_size=64)
        rules = {name: rules[name][:2] for name in ("Equal", "FAMO", "FairGrad")}
        structures, seeds = {"SharedBottom": SharedBottom}, range(1)
    with tempfile.TemporaryDirectory(prefix="plait-") as scratch:
        for log in _logs(arguments):
            for seed in seeds:
                prepared = _prepared_log(log, seed, arguments, Path(scratch))
                for structure, architecture in structures.items():
                    for rule, settings in rules.items():
                        key = (log, structure, rule, seed)
                        if key in done:
                            continue
                        minutes = (time.monotonic() - began) / 60
                        if arguments.budget_minutes and minutes >= arguments.budget_minutes:
                            report(_with_summary(done.values()), arguments)
                            return
                        found = [
                            _run(prepared, architecture, setting, training, seed)
                            for setting in settings
                        ]
                        done[key] = _row(key, max(found, key=lambda pair: pair[0]))
                        if path is not None:
                            _keep(done.values(), path)
    report(_with_summary(done.values()), arguments)


def _run(
    prepared: PreparedLog,
    architecture: ArchitectureFactory,
    setting: Setting,
    training: Training,
    seed: int,
) -> tuple[float, dict[str, float]]:
    """The validation mix, and each task's score on the test rows."""
    make, rate = setting
    model = build(prepared, seed=seed, architecture=architecture)
    settings = replace(training, seed=seed, learning_rate=rate)
    rule = make(task_facts(model, prepared.train))
    Trainer(model, settings, balancer=rule).fit(prepared.train, prepared.valid)
    finish(model, prepared.train, prepared.valid)
    assert prepared.valid is not None
    assert prepared.test is not None
    by_valid = scores(model, prepared.valid, predict_store(model, prepared.valid))
    by_test = scores(model, prepared.test, predict_store(model, prepared.test))
    chosen = mix(model.tasks, by_valid, None)
    return (chosen if np.isfinite(chosen) else -np.inf), by_test


def _logs(arguments: argparse.Namespace) -> list[str]:
    worlds = ["conflict", "scales"]
    return worlds if arguments.smoke else [*SETS, *worlds]


SETS: dict[str, Recipe] = {recipe.name: recipe for recipe in (CENSUS_1, ML100K_TIME, STEAM)}
WORLD_ROWS, SMOKE_ROWS = 30_000, 600


def _prepared_log(log: str, seed: int, arguments: argparse.Namespace, folder: Path) -> PreparedLog:
    if log in SETS:
        recipe, data = SETS[log], data_folder(arguments)
        remembered = History() if recipe.schema.user and recipe.schema.item else None
        whole = Log(
            (recipe.log(data),),
            recipe.schema,
            recipe.tasks,
            recipe.tables(data),
            history=remembered,
        )
        return prepare(whole, recipe.split, cache=folder)
    rows = SMOKE_ROWS if arguments.smoke else WORLD_ROWS
    frame, tasks = two_tasks(log, seed, rows)
    return prepare(Log((frame,), TWO_TASKS, tasks), RandomSplit(), cache=folder)


Key = tuple[str, str, str, int]


def _row(key: Key, found: tuple[float, dict[str, float]]) -> Row:
    log, structure, rule, seed = key
    valid, by_test = found
    return {
        "what": "run",
        "log": log,
        "structure": structure,
        "rule": rule,
        "seed": seed,
        "valid": valid,
        "test": list(by_test.values()),
    }


def _kept(path: Path | None) -> dict[Key, Row]:
    """The runs that an earlier call left in the file."""
    if path is None or not path.exists():
        return {}
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
    runs = [row for row in rows if row["what"] == "run"]
    return {(row["log"], row["structure"], row["rule"], row["seed"]): row for row in runs}


def _keep(rows: Iterator[Row] | Sequence[Row], path: Path) -> None:
    part = path.with_suffix(".part")
    part.write_text(json.dumps({"rows": list(rows)}), encoding="utf-8")
    part.replace(path)


def _with_summary(runs: Iterator[Row] | Sequence[Row]) -> list[Row]:
    """The runs, and a row for each rule: gain over equal weights, rank, least gain of a task."""
    runs = list(runs)
    by_key = {(r["log"], r["structure"], r["seed"], r["rule"]): _scores(r["test"]) for r in runs}
    cells = sorted({key[:3] for key in by_key}, key=str)
    rules = list(dict.fromkeys(key[3] for key in by_key))
    complete = [cell for cell in cells if all((*cell, rule) in by_key for rule in rules)]
    summaries: list[Row] = []
    for rule in rules if complete else ():
        found = np.array([by_key[(*cell, rule)].mean() for cell in complete])
        base = np.array([by_key[(*cell, "Equal")].mean() for cell in complete])
        worst = [(by_key[(*c, rule)] - by_key[(*c, "Equal")]).min() for c in complete]
        ranks = [
            1 + sum(by_key[(*c, other)].mean() > by_key[(*c, rule)].mean() for other in rules)
            for c in complete
        ]
        row: dict[str, Fact] = {
            "what": "gain",
            "rule": rule,
            "cells": len(complete),
            "mean_rank": float(np.mean(ranks)),
            "worst_task": float(np.mean(worst)),
        }
        if rule != "Equal" and len(complete) > 1:
            gap = paired_difference(found, base)
            row |= {"gain": gap.value, "low": gap.low, "high": gap.high}
        summaries.append(row)
    return [*summaries, *runs]


def _scores(values: Fact) -> np.ndarray:
    assert isinstance(values, list)
    return np.array(values)


if __name__ == "__main__":
    main()
