"""What does joint feature learning bring, and what does a step of it cost?

    python benchmarks/joint_features.py --seeds 12 --json joint_features.json

The gain is that of the semi-supervised world, unless you say otherwise with 5 % of the labels, all
of them right: mean test AUC of both tasks over that of supervised training, paired by seed, with
Student's interval. The cost is the CPU time of a training step over that of a plain one, on a made
log of 20 ids and 8 numbers with the default network: each way to learn takes the same steps in
turn, several times, and the median of the ratios counts. Other processes disturb CPU time less than
time by the clock.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path

from _report import Row, parser, report
from _synthetic import SCHEMA, TASKS, write_log
from _world import Cell, gains

from plait import (
    FiniteDifference,
    GradientNorm,
    JointFeatures,
    RandomSplit,
    RepresentationNorm,
    Training,
)
from plait.data.log import Log
from plait.data.preparing import PreparedLog, prepare
from plait.data.simulation import SemiSupervisedSettings
from plait.experiment.running import build
from plait.methods import Method
from plait.training import Trainer

METHODS: dict[str, Method] = {
    "fd, r=0.05": JointFeatures(),
    "fd, r=0.2": JointFeatures(penalty=FiniteDifference(radius=0.2)),
    "fd, r=0.5": JointFeatures(penalty=FiniteDifference(radius=0.5)),
    "SAM, r=0.05": JointFeatures(penalty=FiniteDifference(alpha=1.0)),
    "rep, 1": JointFeatures(penalty=RepresentationNorm()),
    "exact normalised, 1": JointFeatures(penalty=GradientNorm()),
    "exact plain, 3": JointFeatures(penalty=GradientNorm(strength=3.0, form="plain")),
}
COSTS: dict[str, Method | None] = {
    "supervised": None,
    "fd": JointFeatures(min_positives=0),
    "rep": JointFeatures(penalty=RepresentationNorm(), min_positives=0),
    "exact plain": JointFeatures(penalty=GradientNorm(form="plain"), min_positives=0),
    "exact normalised": JointFeatures(penalty=GradientNorm(), min_positives=0),
}


def main() -> None:
    """Measure gains and costs, and report."""
    made = parser("Gain and cost of joint feature learning.")
    made.add_argument("--seeds", type=int, default=12, help="worlds, from 0")
    made.add_argument("--labelled", type=float, default=0.05, help="share of rows with labels")
    made.add_argument("--flip", type=float, default=0.0, help="share of labels turned round")
    made.add_argument("--only", choices=("gain", "cost"), help="one of the two")
    made.add_argument("--steps", type=int, default=40, help="of each turn of the cost")
    made.add_argument("--repeats", type=int, default=5, help="turns of the cost")
    arguments = made.parse_args()
    cell = Cell(arguments.labelled, arguments.flip)
    if arguments.smoke:
        world = SemiSupervisedSettings(train_rows=2_000, test_rows=300)
        quick = Training(max_steps=4, batch_size=64)
        some = {"fd, r=0.05": METHODS["fd, r=0.05"]}
        rows = gains(some, cell, seeds=range(2), training=quick, world=world)
        report([*rows, *_costs(rows=500, steps=1, repeats=1)], arguments)
        return
    rows: list[Row] = []
    if arguments.only != "cost":
        rows += gains(METHODS, cell, seeds=range(arguments.seeds))
    if arguments.only != "gain":
        rows += _costs(rows=100_000, steps=arguments.steps, repeats=arguments.repeats)
    report(rows, arguments)


def _costs(*, rows: int, steps: int, repeats: int) -> Iterator[Row]:
    """CPU seconds of each way to learn over those of supervised training."""
    with tempfile.TemporaryDirectory(prefix="plait-") as named:
        prepared = _prepared(rows, Path(named))
        _turn(prepared, steps=1)  # what is imported and allocated once
        turns = [_turn(prepared, steps=steps) for _ in range(repeats)]
    for name in COSTS:
        ratios = [turn[name] / turn["supervised"] for turn in turns]
        yield {"what": "CPU time of a step", "method": name, "value": statistics.median(ratios)}


def _prepared(rows: int, folder: Path) -> PreparedLog:
    log = folder / "log.parquet"
    write_log(log, rows)
    return prepare(Log((log,), SCHEMA, TASKS), RandomSplit(valid=0.0, test=0.0), cache=folder)


def _turn(prepared: PreparedLog, *, steps: int) -> Mapping[str, float]:
    """CPU seconds that each way to learn takes for the same steps, from one model."""
    start = build(prepared)
    settings = Training(max_steps=steps)
    seconds = {}
    for name, method in COSTS.items():
        model = deepcopy(start)
        begun = time.process_time()
        if method is None:
            Trainer(model, settings).fit(prepared.train)
        else:
            method.fit(model, prepared.train, None, settings=settings)
        seconds[name] = time.process_time() - begun
    return seconds


if __name__ == "__main__":
    main()
