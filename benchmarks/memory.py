"""How much memory does a large log take, from Parquet to a judged model?

    OMP_NUM_THREADS=2 POLARS_MAX_THREADS=2 python benchmarks/memory.py --json memory.json

A made log of five million rows is prepared, trained on for an epoch and judged by `plait.train` in
a process of its own, whose anonymous memory (what cannot be dropped, unlike pages of mapped files)
is read from /proc all along. Training includes judging the validation rows. Linux only.
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from _report import Row, parser, report
from _synthetic import SCHEMA, TASKS, write_log

from plait import RandomSplit, Training, train
from plait.training import Callback, History

GIB = 2**30
BAR_GIB = 3.0
ROWS, SMOKE_ROWS = 5_000_000, 50_000
SECONDS_BETWEEN_SAMPLES = 0.02
SPLIT = RandomSplit(valid=0.05, test=0.1)


class Sample(NamedTuple):
    """Anonymous memory at a moment of the system's monotonic clock."""

    moment: float
    bytes: int


class Marks(Callback):
    """Notes when training begins and ends."""

    def __init__(self) -> None:
        self.moments = {"prepare": time.monotonic()}

    def on_start(self, *, steps_done: int, total_steps: int) -> None:
        """The log is prepared and the model is built."""
        self.moments["train"] = time.monotonic()

    def on_end(self, history: History) -> None:
        """What is left: judging the test rows, writing the artifact."""
        self.moments["evaluate"] = time.monotonic()


def main() -> None:
    """Write the log, run, sample, and report."""
    arguments = parser("Peak anonymous memory of a run on a large log.").parse_args()
    if not Path("/proc/self/status").exists():
        sys.exit("This benchmark reads /proc, which Linux has.")
    rows = SMOKE_ROWS if arguments.smoke else ROWS
    with tempfile.TemporaryDirectory(prefix="plait-") as scratch:
        log = Path(scratch) / "log.parquet"
        write_log(log, rows)
        moments, samples = _watch(log, Path(scratch) / "run")
    report(list(_rows(moments, samples, rows, has_bar=not arguments.smoke)), arguments)


def _watch(log: Path, out: Path) -> tuple[dict[str, float], list[Sample]]:
    """Run in a fresh process, and read its memory until it ends."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(log, out, there))
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


def _run(log: Path, out: Path, connection: Connection) -> None:
    """The process that is watched: one run, an epoch long."""
    marks = Marks()
    train(
        log,
        schema=SCHEMA,
        tasks=TASKS,
        split=SPLIT,
        training=Training(epochs=1),
        callbacks=(marks,),
        out=out,
    )
    connection.send(marks.moments | {"end": time.monotonic()})


def _anonymous_bytes(status: Path) -> int:
    """`RssAnon` of a process; 0 for one that has just ended."""
    for line in status.read_text(encoding="ascii").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0


def _rows(
    moments: Mapping[str, float], samples: Sequence[Sample], rows: int, *, has_bar: bool
) -> Iterator[Row]:
    """The peak and the speed of each phase, and of the whole run."""
    share = {"prepare": 1.0, "train": 1.0 - SPLIT.valid - SPLIT.test, "evaluate": SPLIT.test}
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
            "rows_per_second": rows * (1.0 if whole else share[phase]) / (ended - begun),
        }


if __name__ == "__main__":
    main()
