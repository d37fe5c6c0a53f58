"""How much processor time does a training step of plait take, against a loop that never changes?

    python benchmarks/step.py --json step.json

`make test` ends with this, so that whoever reads the log of a build sees when a step became dearer.
plait's trainer and the hand-written loop of `speed.py` (the reference, which stays as it is) train
on one small log in one process, turn by turn, on one thread; the median of the turns' ratios of CPU
seconds is printed. Nothing is asserted: it is no test, and tells a tenth at best. Below 1 plait is
cheaper. A whole race on a large log is `speed.py`.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from _report import parser, report
from _rivals.job import Job
from _rivals.log import write_log
from _rivals.measuring import Rival
from _rivals.plait import Plait
from _rivals.reference import Reference

ROWS, SMOKE_ROWS = 4_096, 1_024
BATCH_SIZE = 1_024


def main() -> None:
    """Let the two train in turn, and report the ratio."""
    made = parser("CPU time of a training step over that of a frozen loop.")
    made.add_argument("--repeats", type=int, default=3, help="turns")
    arguments = made.parse_args()
    rows, repeats = ROWS, arguments.repeats
    if arguments.smoke:
        rows, repeats = SMOKE_ROWS, 1
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="plait-") as named:
        write_log(Path(named), rows, 1, num_tasks=2, strings=False)
        rivals = _ready(Job(folder=named, out=named, batch_size=BATCH_SIZE, threads=1))
        for rival in rivals.values():
            rival.fit()  # what is imported and allocated once
        turns = [{name: _seconds(rival) for name, rival in rivals.items()} for _ in range(repeats)]
    steps = rows // BATCH_SIZE
    row = {
        "what": "CPU time of a step: plait over the frozen loop",
        "ratio": statistics.median(turn["plait"] / turn["reference"] for turn in turns),
        **{f"{n}, ms": 1e3 * statistics.median(turn[n] for turn in turns) / steps for n in rivals},
        "repeats": repeats,
    }
    report([row], arguments)


def _ready(job: Job) -> Mapping[str, Rival]:
    rivals: dict[str, Rival] = {
        "plait": Plait(replace(job, variant="pure")),
        "reference": Reference(job),
    }
    for rival in rivals.values():
        rival.load()
        rival.build()
    return rivals


def _seconds(rival: Rival) -> float:
    """CPU seconds of an epoch."""
    begun = time.process_time()
    rival.fit()
    return time.process_time() - begun


if __name__ == "__main__":
    main()
