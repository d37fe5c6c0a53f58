"""Does a sharing structure beat one shared network of its own size? Real logs, equal tuning.

    python benchmarks/zoo.py --sets ml100k_time,steam200k --seeds 3 --trials 10 --json zoo.json

Every structure has as many parameters as `SharedBottom` has with its default layers, 256 and 128:
its own are `w` and 128, with the `w` that comes nearest, so that towers are alike. Beside the
structures: `twins`, a network for each task whose sizes together are that of the bottom, trained
apart, tables and all; `MMoE + gates`, the same under gates of user and item; `bf16 tables` and
`Adam tables`, the shared bottom with vectors of ids in bfloat16 or stepped by lazy Adam; `trees`,
boosted trees with the same features and history.

Each model has the same `--trials` settings to choose from by the validation rows: learning rate,
dropout and `key_l2`, drawn from the seed, the defaults first. It is judged on the test rows by each
task's primary metric, turned so that higher is better (`-0.5 RMSE / sd` for numbers). `gain` is the
mean over seeds less that of `SharedBottom` with the same seed and settings to choose from, with
Student's interval; with few seeds it is wide. `rows/s` is of CPU time, validation included.

Three sets are made, other ones for each seed: `conflict`, two tasks that want opposite things of
the same ids; `tastes`, two tasks for which users and items have tastes that know nothing of one
another, under vectors of eight numbers an id; and `tastes_wide`, the same log under vectors of 24.
`wins` counts the seeds in which the mean over tasks is above that of `SharedBottom`.

`--rows` leaves so many training rows their labels, drawn from the seed, and `--judged-rows` so many
validation rows; history features know all, and all test rows judge.
A run is kept in the file of `--json` as soon as it is done, and a second call goes on from there;
`--budget-minutes` ends a call in time.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import polars as pl
import torch
from _keeping import RUN, keep_runs, kept_runs, within
from _report import Fact, Row, data_folder, parser, report
from _sets import SETS, Recipe
from _trees import tuned_trees
from _two_tasks import TWO_TASKS, own_tastes, two_tasks
from numpy.typing import NDArray

from plait import Binary, Categorical, Numeric, PersonalGates, RandomSplit, Schema, Training
from plait.architectures import ARCHITECTURES, Architecture, Gate, SharedBottom, Widths
from plait.data.history import History
from plait.data.log import Log
from plait.data.preparing import PreparedLog, prepare
from plait.data.splits import Split
from plait.data.store import Store
from plait.errors import ArchitectureError
from plait.experiment.running import build, usual_id_dropout
from plait.metrics import paired_difference
from plait.models import ArchitectureFactory, MultiTaskModel, Precision
from plait.training import Callback, StepReport, Trainer, finish, predict_store
from plait.training.judging import mix, scores

BASE, TWINS, GATED, TREES = "SharedBottom", "twins", "MMoE + gates", "trees"
HALF, ADAM = "bf16 tables", "Adam tables"
STRUCTURES = {kind.__name__: kind for kind in ARCHITECTURES}
MODELS = (BASE, TWINS, *(name for name in STRUCTURES if name != BASE), GATED, HALF, ADAM, TREES)
LAYERS, WIDEST = (256, 128), 1024
CONFLICT, MADE_ROWS = "conflict", 30_000
TASTES = {"tastes": 8, "tastes_wide": 24}
MADE = (CONFLICT, *TASTES)
RATES, DROPOUTS, KEY_L2 = (1e-3, 5e-4, 2e-3, 4e-3), (0.2, 0.0, 0.4), (0.1, 0.03, 0.3)
SMOKE_ROWS, SMOKE_MODELS = 400, (BASE, TWINS, "STEM", "HoME", GATED, HALF, ADAM, TREES)


@dataclass(frozen=True)
class Setting:
    """One of the settings that every model may choose from."""

    learning_rate: float
    dropout: float
    key_l2: float


@dataclass(frozen=True)
class Found:
    """What one setting came to.

    Attributes:
        valid: mix of the tasks' scores on the validation rows.
        judge: gives each task's score on the test rows.
        parameters: of the network, without tables.
        tables: parameters of tables.
        rows_per_second: of training.
    """

    valid: float
    judge: Callable[[], list[float]]
    parameters: int
    tables: int
    rows_per_second: float


@dataclass(frozen=True)
class Given:
    """The rows of one seed on one set, and how to train on them."""

    prepared: PreparedLog
    train: Store
    training: Training
    id_dropout: float
    seed: int


def main() -> None:
    """Run what is missing, and report."""
    arguments = _arguments()
    may_begin = within(arguments.budget_minutes)
    done = _done(arguments)
    seeds = range(1 if arguments.smoke else arguments.seeds)
    trials = 1 if arguments.smoke else arguments.trials
    models = SMOKE_MODELS if arguments.smoke else arguments.models
    names = ["made"] if arguments.smoke else arguments.sets
    with tempfile.TemporaryDirectory(prefix="plait-") as scratch:
        for seed, name in product(seeds, names):
            wanted = [model for model in models if (name, model, seed) not in done]
            if not wanted or not may_begin():
                continue
            given = _given(name, seed, arguments, Path(scratch))
            for model in wanted:
                if not may_begin():
                    break
                clock = time.monotonic()
                row = _run(name, model, given, _settings(trials, seed), _labels(arguments))
                done[name, model, seed] = row
                keep_runs(done.values(), arguments.json)
                spent = time.monotonic() - clock
                told = row.get("refused", "done")
                print(f"{name}, seed {seed}, {model}: {told} ({spent:.0f} s)", file=sys.stderr)
    report([*_summary(list(done.values())), *done.values()], arguments, shown=_SHOWN)


_SHOWN = (
    *("set", "task", "model", "seeds", "mean", "gain", "low", "high", "wins"),
    *("rows/s", "parameters", "tables"),
)


def _arguments() -> argparse.Namespace:
    made = parser("Structures beside one shared network of their size.")
    made.add_argument("--sets", default="census_income,ml100k_time,steam200k", help="by comma")
    made.add_argument("--models", default=",".join(MODELS), help=f"of {', '.join(MODELS)}")
    made.add_argument("--seeds", type=int, default=3, help="how many, from 0")
    made.add_argument("--trials", type=int, default=10, help="settings that each may choose from")
    made.add_argument("--rows", type=int, help="most training rows (default: all)")
    made.add_argument("--judged-rows", type=int, help="most validation rows (default: all)")
    made.add_argument("--budget-minutes", type=float, help="no run begins after these")
    arguments = made.parse_args()
    arguments.models = arguments.models.split(",")
    arguments.sets = [
        name
        for group in arguments.sets.split(",")
        for name in ([group] if group in MADE else [recipe.name for recipe in SETS[group]])
    ]
    unknown = sorted({*arguments.models} - {*MODELS})
    if unknown:
        made.error(f"no model {unknown[0]!r}; there are {', '.join(MODELS)}")
    return arguments


def _done(arguments: argparse.Namespace) -> dict[tuple[Fact, Fact, Fact], Row]:
    trials = 1 if arguments.smoke else arguments.trials
    runs = kept_runs(arguments.json, {"trials": trials, **_labels(arguments)})
    return {(run["set"], run["model"], run["seed"]): run for run in runs}


def _labels(arguments: argparse.Namespace) -> Row:
    """How many rows may have labels, as a run says it."""
    return {"most_rows": arguments.rows, "most_judged": arguments.judged_rows}


def _settings(trials: int, seed: int) -> list[Setting]:
    """The defaults, and then others in an order drawn from the seed."""
    grid = [Setting(*values) for values in product(RATES, DROPOUTS, KEY_L2)]
    order = np.random.default_rng(seed).permutation(len(grid) - 1) + 1
    return [grid[0], *(grid[place] for place in order)][:trials]


def _given(name: str, seed: int, arguments: argparse.Namespace, cache: Path) -> Given:
    smoke = arguments.smoke
    if smoke:
        log, split = _made_log()
    elif name == CONFLICT:
        frame, tasks = two_tasks(CONFLICT, seed, MADE_ROWS)
        log, split = Log((frame,), TWO_TASKS, tasks), RandomSplit()
    elif name in TASTES:
        frame, schema, binary = own_tastes(seed, MADE_ROWS, width=TASTES[name])
        log, split = Log((frame,), schema, binary), RandomSplit()
    else:
        log, split = _real_log(name, data_folder(arguments))
    prepared = prepare(log, split, cache=cache)
    assert prepared.valid is not None
    tasks = [task.name for task in prepared.tasks]
    train = _fewer(prepared.train, arguments.rows, tasks, seed)
    prepared = replace(prepared, valid=_fewer(prepared.valid, arguments.judged_rows, tasks, seed))
    training = Training(max_steps=3, batch_size=64) if smoke else Training()
    return Given(prepared, train, training, usual_id_dropout(log), seed)


def _fewer(store: Store, most: int | None, tasks: Sequence[str], seed: int) -> Store:
    """The store with labels on so many of its rows, drawn from the seed."""
    if most is None or most >= store.num_rows:
        return store
    kept = np.zeros(store.num_rows, dtype=np.bool_)
    kept[np.random.default_rng([seed, store.num_rows]).permutation(store.num_rows)[:most]] = True
    return store.relabelled(observed=dict.fromkeys(tasks, kept))


def _real_log(name: str, data: Path) -> tuple[Log, Split]:
    recipe: Recipe = next(r for found in SETS.values() for r in found if r.name == name)
    remembered = History() if recipe.schema.user and recipe.schema.item else None
    source, tables = (recipe.log(data),), recipe.tables(data)
    return Log(source, recipe.schema, recipe.tasks, tables, history=remembered), recipe.split


def _made_log() -> tuple[Log, Split]:
    rng = np.random.default_rng(0)
    frame = pl.DataFrame(
        {
            "user": rng.integers(20, size=SMOKE_ROWS),
            "item": rng.integers(30, size=SMOKE_ROWS),
            "click": rng.random(SMOKE_ROWS) < 0.5,
            "like": rng.random(SMOKE_ROWS) < 0.3,
            "age": rng.normal(size=SMOKE_ROWS),
        }
    )
    features = (Categorical("user"), Categorical("item"), Numeric("age"))
    schema = Schema(features, user="user", item="item")
    return Log((frame,), schema, (Binary("click"), Binary("like"))), RandomSplit()


def _run(name: str, model: str, given: Given, settings: Sequence[Setting], labels: Row) -> Row:
    """The best setting on the validation rows, or why there is no such model."""
    row: dict[str, Fact] = {
        "what": RUN,
        "set": name,
        "model": model,
        "seed": given.seed,
        "trials": len(settings),
        **labels,
        "training_rows": int(given.train.observed(given.prepared.tasks[0].name).sum()),
    }
    if model == TREES:
        test = _trees(given, trials=len(settings))
        return {**row, "test": test}
    try:
        tried = [(_tried(model, given, setting), setting) for setting in settings]
    except ArchitectureError as error:
        return {**row, "refused": str(error)}
    best, setting = max(tried, key=lambda pair: np.nan_to_num(pair[0].valid, nan=-np.inf))
    return {
        **row,
        "valid": best.valid,
        "test": best.judge(),
        "learning_rate": setting.learning_rate,
        "dropout": setting.dropout,
        "key_l2": setting.key_l2,
        "parameters": best.parameters,
        "tables": best.tables,
        "rows/s": float(np.median([found.rows_per_second for found, _ in tried])),
    }


def _tried(model: str, given: Given, setting: Setting) -> Found:
    tasks = [task.name for task in given.prepared.tasks]
    if model != TWINS:
        gates = (PersonalGates(),) if model == GATED else ()
        kind = STRUCTURES[{GATED: "MMoE", HALF: BASE, ADAM: BASE}.get(model, model)]
        structure = _matched(kind, 1, setting.dropout)
        precision: Precision = "bf16" if model == HALF else "fp32"
        if model == ADAM:
            given = replace(given, training=replace(given.training, table_optimizer="adam"))
        return _fitted(structure, tasks, given, setting, gates=gates, table_precision=precision)
    bottom = _matched(SharedBottom, len(tasks), setting.dropout)
    found = [_fitted(bottom, [task], given, setting) for task in tasks]
    return Found(
        float(np.mean([each.valid for each in found])),
        lambda: [score for each in found for score in each.judge()],
        sum(each.parameters for each in found),
        sum(each.tables for each in found),
        1 / sum(1 / each.rows_per_second for each in found),
    )


def _matched(kind: type[Architecture], parts: int, dropout: float) -> ArchitectureFactory:
    """The structure with one part in so many of the parameters of the default bottom."""

    def made(widths: Widths, tasks: Sequence[str]) -> Architecture:
        layers = _layers(kind, parts, widths, tuple(tasks))
        return kind(widths, tasks, layers=layers, dropout=dropout)  # type: ignore[call-arg]

    return made


@cache
def _layers(
    kind: type[Architecture], parts: int, widths: Widths, tasks: tuple[str, ...]
) -> tuple[int, int]:
    """Layers `(w, 128)` of a structure of the wanted size; sizes grow with w."""

    def size(build: Callable[..., Architecture], **settings: object) -> int:
        with torch.device("meta"):
            made = build(widths, tasks, **settings)
        return sum(parameter.numel() for parameter in made.parameters())

    if kind is SharedBottom and parts == 1:
        return LAYERS
    wanted = size(SharedBottom) // parts
    low, high = 1, WIDEST
    while high - low > 1:
        middle = (low + high) // 2
        is_small = size(kind, layers=(middle, LAYERS[1])) < wanted
        low, high = (middle, high) if is_small else (low, middle)
    width = min((low, high), key=lambda w: abs(size(kind, layers=(w, LAYERS[1])) - wanted))
    return width, LAYERS[1]


def _fitted(
    architecture: ArchitectureFactory,
    tasks: Sequence[str],
    given: Given,
    setting: Setting,
    *,
    gates: Sequence[Gate] = (),
    table_precision: Precision = "fp32",
) -> Found:
    records = tuple(task for task in given.prepared.tasks if task.name in tasks)
    if len(tasks) == 1:
        records = tuple(replace(task, parents=(), role="target") for task in records)
    model = build(
        replace(given.prepared, tasks=records, train=given.train),
        seed=given.seed,
        architecture=architecture,
        gates=gates,
        dropout=setting.dropout,
        id_dropout=given.id_dropout,
        table_precision=table_precision,
    )
    training = replace(
        given.training,
        seed=given.seed,
        learning_rate=setting.learning_rate,
        key_l2=setting.key_l2,
    )
    steps = _Steps()
    begun = time.process_time()
    Trainer(model, training, callbacks=[steps]).fit(given.train, given.prepared.valid)
    seconds = time.process_time() - begun
    finish(model, given.train, given.prepared.valid)
    labelled = int(np.logical_or.reduce([given.train.observed(t) for t in tasks]).sum())
    batch = min(training.rows_per_batch(labelled), labelled)
    by_valid = _scores(model, given.prepared.valid)
    stored = sum(table.numel() for table in model.table_parameters())
    return Found(
        mix(model.tasks, by_valid, None),
        lambda: list(_scores(model, given.prepared.test).values()),
        sum(parameter.numel() for parameter in model.parameters()) - stored,
        stored,
        steps.taken * batch / seconds,
    )


class _Steps(Callback):
    """How many steps were taken."""

    taken = 0

    def on_step(self, report: StepReport) -> None:
        """One more."""
        self.taken = report.step


def _scores(model: MultiTaskModel, store: Store | None) -> Mapping[str, float]:
    assert store is not None
    return scores(model, store, predict_store(model, store, observed=True))


def _trees(given: Given, *, trials: int) -> list[float]:
    prepared = given.prepared
    assert prepared.valid is not None
    assert prepared.test is not None
    judge = build(prepared, architecture=SharedBottom, factors=0)
    found = {
        task.name: tuned_trees(
            task, given.train, prepared.valid, prepared.test, trials=trials, seed=given.seed
        ).astype(np.float32)
        for task in prepared.tasks
    }
    return list(scores(judge, prepared.test, found).values())


def _summary(runs: Sequence[Row]) -> Iterator[Row]:
    """A row for each set, model and task, and one for all tasks: means, and gains over the base."""
    built = [run for run in runs if "test" in run]
    for name in dict.fromkeys(str(run["set"]) for run in built):
        mine = [run for run in built if run["set"] == name]
        tests: dict[str, dict[Fact, NDArray[np.float64]]] = {}
        for run in mine:
            tests.setdefault(str(run["model"]), {})[run["seed"]] = np.array(run["test"])
        last = {str(run["model"]): run for run in mine}
        tasks = range(len(next(iter(tests[next(iter(tests))].values()))))
        for place in (*tasks, None):
            for model, by_seed in tests.items():
                facts = {key: last[model].get(key) for key in ("rows/s", "parameters", "tables")}
                task = "all" if place is None else _task_name(name, place)
                head = {"what": "gain", "set": name, "task": task, "model": model}
                gap = _gap(by_seed, tests.get(BASE, {}), place)
                yield {**head, "seeds": len(by_seed), **gap, **(facts if place is None else {})}


def _gap(
    found: Mapping[Fact, NDArray[np.float64]],
    base: Mapping[Fact, NDArray[np.float64]],
    place: int | None,
) -> dict[str, Fact]:
    """The mean over seeds, and that of the differences from the base with the same seeds."""

    def value(scores: NDArray[np.float64]) -> float:
        return float(scores.mean() if place is None else scores[place])

    both = [seed for seed in found if seed in base]
    row: dict[str, Fact] = {"mean": float(np.mean([value(each) for each in found.values()]))}
    if found is base or not both:
        return row
    ones = np.array([value(found[seed]) for seed in both])
    others = np.array([value(base[seed]) for seed in both])
    row["gain"] = float((ones - others).mean())
    if len(both) > 1:
        gap = paired_difference(ones, others)
        row |= {"low": gap.low, "high": gap.high}
    return {**row, "wins": int((ones > others).sum())}


def _task_name(name: str, place: int) -> str:
    known = [recipe for found in SETS.values() for recipe in found if recipe.name == name]
    return known[0].tasks[place].name if known else f"task {place}"


if __name__ == "__main__":
    main()
