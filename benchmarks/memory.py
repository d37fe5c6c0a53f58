"""How much memory does a large log take, from Parquet to a judged model and to predictions?

    OMP_NUM_THREADS=2 POLARS_MAX_THREADS=2 python benchmarks/memory.py --json memory.json
    python benchmarks/memory.py --rows 20000000 --shuffle-rows 4096 --steps 2000
    python benchmarks/memory.py --rows 10000000 --labelled 0.01 --method "soft labels" --widest 1000

A made log is prepared, trained on for an epoch (or for `--steps`) and judged by `plait.train` in a
process of its own, which then predicts every row of the log anew, into a file. The anonymous memory
of that process (what cannot be dropped, unlike pages of mapped files) is read from /proc all along.
Training includes judging the validation rows. Linux only.

`--labelled` leaves that share of the rows their labels, and `--method` is how the run learns:
`soft labels` of two teachers, `hybrid` with one pass of stage A over all rows, or `joint`.
`--widest` is the size of the largest vocabulary: with few ids, what grows with rows alone is seen.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import NormalDist
from typing import NamedTuple

from _report import Row, parser, report
from _synthetic import SCHEMA, TASKS, WIDEST, write_log

from plait import (
    Binary,
    FiniteDifference,
    Hybrid,
    JointFeatures,
    RandomSplit,
    SoftLabels,
    Training,
    load,
    train,
)
from plait.methods import Method
from plait.training import Callback, History

GIB = 2**30
BAR_GIB = 3.0
ROWS, SMOKE_ROWS = 5_000_000, 5_000
SECONDS_BETWEEN_SAMPLES = 0.02
SPLIT = RandomSplit(valid=0.05, test=0.1)
METHODS: dict[str, Method | None] = {
    "supervised": None,
    "joint": JointFeatures(penalty=FiniteDifference(radius=0.2)),
    "soft labels": SoftLabels(members=2),
    "hybrid": Hybrid(pretext_epochs=1, head_epochs=1),
}


class Sample(NamedTuple):
    """Anonymous memory at a moment of the system's monotonic clock."""

    moment: float
    bytes: int


class Marks(Callback):
    """Notes when training begins and ends."""

    def __init__(self) -> None:
        self.moments = {"prepare": time.monotonic()}

    def on_start(self, *, steps_done: int, total_steps: int) -> None:
        """The log is prepared; of several trainings the first begins."""
        self.moments.setdefault("train", time.monotonic())

    def on_end(self, history: History) -> None:
        """What is left after the last training: judging the test rows, writing the artifact."""
        self.moments["evaluate"] = time.monotonic()


def main() -> None:
    """Write the log, run, sample, and report."""
    arguments = _arguments()
    if not Path("/proc/self/status").exists():
        sys.exit("This benchmark reads /proc, which Linux has.")
    rows = SMOKE_ROWS if arguments.smoke else arguments.rows
    training = Training(epochs=1, max_steps=arguments.steps, shuffle_rows=arguments.shuffle_rows)
    method, tasks = METHODS[arguments.method], TASKS
    if arguments.labelled < 1:
        known = f"n0 > {NormalDist().inv_cdf(1 - arguments.labelled):.6f}"
        tasks = tuple(replace(task, observed=known) for task in TASKS)
    with tempfile.TemporaryDirectory(prefix="plait-") as scratch:
        log = Path(scratch) / "log.parquet"
        write_log(log, rows, widest=arguments.widest)
        moments, samples = _watch(log, Path(scratch) / "run", training, method, tasks)
    report(list(_rows(moments, samples, rows, training, has_bar=not arguments.smoke)), arguments)


def _arguments() -> argparse.Namespace:
    made = parser("Peak anonymous memory of a run on a large log.")
    made.add_argument("--rows", type=int, default=ROWS, help="of the log")
    made.add_argument("--steps", type=int, help="most steps of training; left out: an epoch")
    made.add_argument("--shuffle-rows", type=int, help="rows of a block, shuffled by blocks")
    made.add_argument("--labelled", type=float, default=1.0, help="share of rows with labels")
    made.add_argument("--method", choices=METHODS, default="supervised", help="way to learn")
    made.add_argument("--widest", type=int, default=WIDEST, help="ids of the largest vocabulary")
    return made.parse_args()


def _watch(
    log: Path, out: Path, training: Training, method: Method | None, tasks: Sequence[Binary]
) -> tuple[dict[str, float], list[Sample]]:
    """Run in a fresh process, and read its memory until it ends."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(log, out, training, method, tasks, there))
    process.start()
    there.close()
    samples: list[Sample] = []
    status = Path(f"/proc/{process.pid}/status")
    while not here.poll(SECONDS_BETWEEN_SAMPLES):
        samples.append(Sample(time.monotonic(), _anonymous_bytes(status)))
    try:
        moments: dict[str, float] = here.recv()
    except EOFError:
        process.join()
        sys.exit(f"The run ended with exit code {process.exitcode}; its own message is above.")
    process.join()
    return moments, samples


def _run(
    log: Path,
    out: Path,
    training: Training,
    method: Method | None,
    tasks: Sequence[Binary],
    connection: Connection,
) -> None:
    """The process that is watched: one run, and predictions for all rows."""
    marks = Marks()
    train(
        log,
        schema=SCHEMA,
        tasks=tasks,
        split=SPLIT,
        training=training,
        method=method,
        callbacks=(marks,),
        out=out,
    )
    moments = marks.moments | {"predict": time.monotonic()}
    if not load(out).predict_file(log, out / "predictions.parquet"):
        raise RuntimeError("nothing was predicted")
    connection.send(moments | {"end": time.monotonic()})


def _anonymous_bytes(status: Path) -> int:
    """`RssAnon` of a process; 0 for one that has just ended."""
    for line in status.read_text(encoding="ascii").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0


def _rows(
    moments: Mapping[str, float],
    samples: Sequence[Sample],
    rows: int,
    training: Training,
    *,
    has_bar: bool,
) -> Iterator[Row]:
    """The peak and the speed of each phase, and of the whole run."""
    of_training = int(rows * (1.0 - SPLIT.valid - SPLIT.test))
    if training.max_steps is not None:
        of_training = min(of_training, training.max_steps * training.rows_per_batch(of_training))
    done = {
        "prepare": rows,
        "train": of_training,
        "evaluate": int(rows * SPLIT.test),
        "predict": rows,
    }
    whole_run = ("prepare", "end")
    for phase, following in [*pairwise(moments), whole_run]:
        begun, ended = moments[phase], moments[following]
        peak = max((s.bytes for s in samples if begun <= s.moment <= ended), default=0) / GIB
        whole = (phase, following) == whole_run
        bar = BAR_GIB if whole and has_bar else None
        yield {
            "set": f"synthetic {rows}",
            "task": "whole run" if whole else phase,
            "metric": "peak_anonymous_gib",
            "value": peak,
            "bar": bar,
            "met": None if bar is None else peak < bar,
            "seconds": ended - begun,
            "rows_per_second": (rows if whole else done[phase]) / (ended - begun),
        }


if __name__ == "__main__":
    main()
