"""What does a step of each balancer cost, what does it bring, and does it reach known fronts?

    python benchmarks/balancing.py --cost --json cost.json
    python benchmarks/balancing.py --cost --memory --steps 5 --table-rows 1000000
    python benchmarks/balancing.py --truth --budget-minutes 600 --json truth.json
    python benchmarks/balancing.py --fronts
    python benchmarks/balancing.py --truth --truth-rows 4000 --budget-minutes 95 --json truth.json

`--cost`: CPU time of a training step over that of equal weights, on a made log of 20 ids (tables of
up to a million rows where the log has them) and 8 numbers, with the default network, an MMoE of 4
experts, for 2, 4 and 8 tasks, on one thread. A rule and equal weights train side by side, a step of
the one after a step of the other; the median of the ratios of neighbours counts, with the quartiles
beside it. `--table-rows` gives the four largest tables that many rows, whatever the log has.
`torchjd, MGDA` is the same step by torchjd's own `mtl_backward` and `jac_to_grad`, with dense
lookups, because it fails on row-sparse ones.

`--memory`: how far the highest memory of a few steps lies above where they begin, and by how much
that is more than with equal weights. The allocator gives back what is freed. Linux only.

`--fronts`: toy problems of two and three losses whose Pareto front is known. `shortest` is the
length of the shortest mixture of gradients where descent by a rule ends, the worst of two starts: 0
on the front. `covered` is the share of the true hypervolume that one model trained with `Rays`
holds, asked for 51 preferences (231 for three losses), and `plain` that of an ordinary model.

`--truth`: rules x (SharedBottom, MMoE) x five logs x seeds. Each rule has four settings to choose
from by the validation rows of that seed, plain and tuned static weights among the rules, and is
judged on the test rows by each task's primary metric, turned so that higher is better. `gain` is
the mean over tasks less that of equal weights of the same seed, with Student's interval over logs,
structures and seeds; `worst_task` the least gain of a task, in the mean; only cells (log, structure
and seed) with every rule count. The logs: census_income,
ml100k_time and steam200k of the catalogue, a world whose two tasks conflict, and one whose losses
are a thousand times apart. `--truth-rows N` draws N training rows of each log, half as many
to validate and twice as many to test, by the seed, where whole logs would take days; batches then
have 512 rows. Rules come innermost, then logs, structures and seeds, so that a part of the runs
compares all rules on all logs. `tuned static` weighs each task by a power of one over its loss
before training: power 0 is `Equal`, with 1 all losses start at 1. A run is kept in the file of
`--json` as soon as it is done, and a second call goes on from there; `--budget-minutes` ends a call
in time, and with 0 only the summary is made.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import polars as pl
import torch
from _costs import COSTS, Made, memory, times
from _fronts import coverage, descent, problems
from _keeping import RUN, keep_runs, kept_runs, within
from _report import Fact, Row, data_folder, parser, report
from _sets import CENSUS_1, ML100K_TIME, STEAM, Recipe
from _two_tasks import TWO_TASKS, two_tasks
from numpy.typing import NDArray

from plait import (
    MMoE,
    RandomSplit,
    Schema,
    SharedBottom,
    Training,
)
from plait.balancing import (
    DWA,
    FAMO,
    GLS,
    MGDA,
    RLW,
    UW,
    Balancer,
    CAGrad,
    Equal,
    FairGrad,
    Fixed,
    GradNorm,
    PCGrad,
    UPGrad,
)
from plait.data.history import History
from plait.data.log import Log
from plait.data.preparing import PreparedLog, prepare
from plait.data.splits import NO_PART, Split
from plait.data.store import Store
from plait.experiment.running import build
from plait.metrics import paired_difference
from plait.models import ArchitectureFactory, MultiTaskModel
from plait.training import Trainer, finish, predict_store
from plait.training.judging import mix, scores
from plait.training.objective import Supervised
from plait.training.setup import expected_shares, make_loader

RATES = (5e-4, 1e-3, 2e-3, 4e-3)
"""Of the dense layers: the four settings of a rule that has none of its own."""
Key = tuple[int, str, str, str]
"""Seed, structure, log, rule."""
Starts = Callable[[], Mapping[str, float]]
"""Measures each task's loss before training."""
Setting = tuple[Callable[[Starts], Balancer], float]
"""A rule, and the rate of the dense layers."""
STRUCTURES: dict[str, ArchitectureFactory] = {"SharedBottom": SharedBottom, "MMoE": MMoE}


def main() -> None:
    """Measure what was asked for, and report."""
    arguments = _arguments()
    if arguments.truth:
        _truth(arguments)
        return
    if arguments.fronts:
        report(list(_fronts(smoke=arguments.smoke)), arguments)
        return
    names = arguments.rules.split(";") if arguments.rules else tuple(COSTS)
    if arguments.smoke:
        arguments.tasks, arguments.rows, arguments.steps = 2, 1_000, 1
        names = ("Equal", "FAMO", "MGDA, parameters", "torchjd, MGDA")
    counts = (2, 4, 8) if arguments.tasks is None else (arguments.tasks,)
    log = Made(arguments.rows, arguments.table_rows)
    measure = memory if arguments.memory else times
    report(
        [row for tasks in counts for row in measure(names, tasks, log, steps=arguments.steps)],
        arguments,
    )


def _arguments() -> argparse.Namespace:
    made = parser("Cost and worth of balancers.")
    made.add_argument("--cost", action="store_true", help="of a step; what is done by default")
    made.add_argument("--truth", action="store_true", help="gains over equal weights")
    made.add_argument("--fronts", action="store_true", help="toy problems whose front is known")
    made.add_argument("--rows", type=int, default=200_000, help="of the log of --cost")
    made.add_argument("--memory", action="store_true", help="of a step, in place of its cost")
    made.add_argument("--steps", type=int, default=40, help="of each rule in --cost and --memory")
    made.add_argument("--tasks", type=int, help="of --cost: one number (default: 2, 4 and 8)")
    made.add_argument("--table-rows", type=int, help="of the four largest tables of --cost")
    made.add_argument("--rules", default="", help="of --cost, by semicolon; nothing: all")
    made.add_argument("--seeds", type=int, default=3, help="of --truth")
    made.add_argument("--first-seed", type=int, default=0, help="to share the seeds of --truth out")
    made.add_argument(
        "--truth-rows", type=int, help="training rows drawn of each log (default: all)"
    )
    made.add_argument("--budget-minutes", type=float, help="no run of --truth begins after these")
    arguments = made.parse_args()
    if arguments.cost + arguments.truth + arguments.fronts > 1:
        made.error("`--cost`, `--fronts` and `--truth` are measured apart")
    named = arguments.rules.split(";") if arguments.rules else []
    unknown = [name for name in named if name not in COSTS]
    if unknown:
        made.error(f"no rule {unknown[0]!r}; there are {', '.join(COSTS)}")
    return arguments


STATIONARY: dict[str, Callable[[], Balancer]] = {
    rule.__name__: partial(rule, surface="parameters") for rule in (MGDA, UPGrad, CAGrad, FairGrad)
}


def _fronts(*, smoke: bool) -> Iterator[Row]:
    """Where descent ends, and how much of each front one model holds."""
    for problem in problems():
        for name, rule in STATIONARY.items():
            ends = [
                descent(problem, rule(), start, 100 if smoke else 400) for start in problem.starts
            ]
            yield {
                "what": "descent",
                "problem": problem.name,
                "rule": name,
                "shortest": max(ends),
                "holds": max(ends) < 1e-4,
            }
        with tempfile.TemporaryDirectory(prefix="plait-") as named:
            covered, plain = coverage(
                problem, problem.conditioned(), Path(named), steps=20 if smoke else 600
            )
        yield {
            "what": "front",
            "problem": problem.name,
            "rule": "Rays",
            "covered": covered,
            "plain": plain,
            "holds": covered >= 0.95,
        }


def _power_of_start(starts: Starts, *, power: float) -> Balancer:
    """Static weights between equal ones and those under which all losses start at 1, and beyond."""
    return Fixed(weights={task: start**-power for task, start in starts().items()})


def _start_losses(model: MultiTaskModel, train: Store, training: Training) -> dict[str, float]:
    """Each task's loss before the first step, the mean over batches."""
    objective = Supervised(expected_shares(model, train))
    model.eval()
    with torch.no_grad():
        found = [
            objective.losses(model, batch, 0).tasks for batch in make_loader(model, train, training)
        ]
    return {
        task: statistics.fmean(float(losses[task]) for losses in found if task in losses)
        for task in model.tasks
    }


def _settings() -> dict[str, list[Setting]]:
    """Twelve rules: those that people take, of each family the one that costs least to set."""

    def same(make: Callable[[], Balancer]) -> list[Setting]:
        return [(lambda _: make(), rate) for rate in RATES]

    def pairs(one: Callable[[], Balancer], other: Callable[[], Balancer]) -> list[Setting]:
        return [(lambda _, m=make: m(), rate) for make in (one, other) for rate in RATES[1:3]]

    powers = (0.0, 0.5, 1.0, 1.5)
    return {
        "Equal": same(Equal),
        "tuned static": [(partial(_power_of_start, power=p), 1e-3) for p in powers],
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
    began, may_begin = time.monotonic(), within(arguments.budget_minutes)
    path: Path | None = arguments.json
    runs = kept_runs(path, {"rows": arguments.truth_rows})
    done = {(run["seed"], run["structure"], run["log"], run["rule"]): run for run in runs}
    training = Training() if arguments.truth_rows is None else Training(batch_size=DRAWN_BATCH)
    first, rules, structures = arguments.first_seed, _settings(), STRUCTURES
    seeds = range(first, first + arguments.seeds)
    if arguments.smoke:
        training = Training(max_steps=3, batch_size=64)
        rules = {name: rules[name][:2] for name in ("Equal", "FAMO", "FairGrad")}
        structures, seeds = {"SharedBottom": SharedBottom}, range(1)
    keys = list(product(seeds, structures, _logs(arguments), rules))
    open_keys = [key for key in keys if key not in done]
    prepared: PreparedLog | None = None
    place: tuple[int, str] | None = None
    with tempfile.TemporaryDirectory(prefix="plait-") as scratch:
        for number, key in enumerate(open_keys):
            if not may_begin():
                break
            seed, structure, log, rule = key
            if place != (seed, log) or prepared is None:
                place, prepared = (seed, log), _prepared_log(log, seed, arguments, Path(scratch))
            found = [
                _run(prepared, structures[structure], setting, training, seed)
                for setting in rules[rule]
            ]
            done[key] = _row(key, max(found, key=lambda pair: pair[0]), arguments.truth_rows)
            keep_runs(done.values(), path)
            _tell(key, len(done), len(keys), number + 1, time.monotonic() - began)
    report(_with_summary(done.values()), arguments)


def _tell(key: Key, done: int, whole: int, now: int, seconds: float) -> None:
    """Where the measurement stands, on the error stream."""
    left = seconds / now * (whole - done) / 60
    seed, structure, log, rule = key
    print(
        f"{done} of {whole}: seed {seed}, {log}, {structure}, {rule}; "
        f"{seconds / 60:.1f} minutes, about {left:.0f} left",
        file=sys.stderr,
        flush=True,
    )


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
    rule = make(partial(_start_losses, model, prepared.train, settings))
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
DRAWN_BATCH = 512


@dataclass(frozen=True)
class Drawn(Split):
    """Another split, of whose parts a few rows are drawn; the others belong to no part.

    Attributes:
        split: the other one.
        rows: of the training part, at most; half as many validate, and twice as many test.
        seed: of the draw.
    """

    split: Split
    rows: int
    seed: int

    def columns(self, schema: Schema | None) -> tuple[str, ...]:
        """Those of the other split."""
        return self.split.columns(schema)

    def assign(
        self, frame: pl.LazyFrame | pl.DataFrame, schema: Schema | None
    ) -> NDArray[np.uint8]:
        """The part of each row, or none."""
        parts = self.split.assign(frame, schema).copy()
        rng = np.random.default_rng([self.seed, self.rows])
        for code, most in enumerate((self.rows, self.rows // 2, 2 * self.rows)):
            inside = np.flatnonzero(parts == code)
            parts[rng.permutation(inside)[most:]] = NO_PART
        return parts


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
        return prepare(whole, _drawn(recipe.split, seed, arguments), cache=folder)
    rows = SMOKE_ROWS if arguments.smoke else WORLD_ROWS
    frame, tasks = two_tasks(log, seed, rows)
    split = _drawn(RandomSplit(), seed, arguments)
    return prepare(Log((frame,), TWO_TASKS, tasks), split, cache=folder)


def _drawn(split: Split, seed: int, arguments: argparse.Namespace) -> Split:
    rows: int | None = arguments.truth_rows
    return split if rows is None else Drawn(split, rows, seed)


def _row(key: Key, found: tuple[float, dict[str, float]], rows: int | None) -> Row:
    seed, structure, log, rule = key
    valid, by_test = found
    return {
        "what": RUN,
        "log": log,
        "structure": structure,
        "rule": rule,
        "seed": seed,
        "rows": rows,
        "valid": valid,
        "test": list(by_test.values()),
    }


def _with_summary(runs: Iterable[Row]) -> list[Row]:
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
    for rule, log in product(rules, dict.fromkeys(key[0] for key in by_key)):
        seen = [cell for cell in complete if cell[0] == log]
        gains = [by_key[(*c, rule)].mean() - by_key[(*c, "Equal")].mean() for c in seen]
        if gains and rule != "Equal":
            gain = float(np.mean(gains))
            summaries.append(
                {
                    "what": "gain on a log",
                    "rule": rule,
                    "log": log,
                    "cells": len(seen),
                    "gain": gain,
                }
            )
    return [*summaries, *runs]


def _scores(values: Fact) -> np.ndarray:
    assert isinstance(values, list)
    return np.array(values)


if __name__ == "__main__":
    main()
