"""One run of one rival in this process: seconds, rows a second, memory and predictions."""

from __future__ import annotations

import json
import os
import platform
import resource
import sys
import time
from abc import ABC, abstractmethod
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from .job import Job, NotOfferedError

FACTS, PREDICTIONS = "facts.json", "predictions.npy"
NOT_OFFERED = 3
"""Exit code of a rival that cannot do the job; its last line of standard error says why."""
MIB = 2**20

Floats = NDArray[np.float32]


class Rival(ABC):
    """Does the job in five parts, called in this order, of which the first three are training.

    A library's own shaping of arrays belongs to `load`. What it does beyond an epoch (evaluation,
    checkpoints) is left out where it can be.
    """

    package: ClassVar[str]
    """The library whose version is noted."""
    num_table_rows: int = 0
    """Rows of all tables, known once the model is built."""

    def __init__(self, job: Job) -> None:
        self.job = job

    @abstractmethod
    def load(self) -> int:
        """Read the training log, and say how many rows it has."""

    @abstractmethod
    def build(self) -> None:
        """Make the model."""

    @abstractmethod
    def fit(self) -> None:
        """Train for an epoch."""

    @abstractmethod
    def load_test(self) -> None:
        """Read the test log."""

    @abstractmethod
    def predict(self) -> Floats:
        """Probabilities `[N, T]` of the test log."""


def measure(kind: type[Rival]) -> None:
    """Run the job whose file the command line names, and write what was measured beside it."""
    job = Job.read(Path(sys.argv[1]))
    try:
        _measure(kind, job)
    except NotOfferedError as error:
        print(error, file=sys.stderr)
        sys.exit(NOT_OFFERED)


def _measure(kind: type[Rival], job: Job) -> None:
    torch.set_num_threads(job.threads)
    pa.set_cpu_count(job.threads)
    torch.manual_seed(job.seed)
    start_seconds = time.time() - job.started
    rival = kind(job)
    moments = [_now()]
    num_rows = rival.load()
    moments.append(_now())
    rival.build()
    moments.append(_now())
    rival.fit()
    moments.append(_now())
    peak = _peak_bytes()
    rival.load_test()
    moments.append(_now())
    predictions = np.asarray(rival.predict(), dtype=np.float32)
    moments.append(_now())
    np.save(Path(job.out) / PREDICTIONS, predictions)
    facts = _facts(moments, num_rows, len(predictions)) | {
        "start_seconds": start_seconds,
        "peak_mib": peak / MIB,
        "table_rows": rival.num_table_rows,
        "version": _version(rival.package),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    (Path(job.out) / FACTS).write_text(json.dumps(facts), encoding="utf-8")


class _Moment(NamedTuple):
    """The clock, this process's use of processors, and everybody's; all in seconds."""

    wall: float
    cpu: float
    busy: float


def _now() -> _Moment:
    return _Moment(time.perf_counter(), _own_seconds(), _busy_seconds())


def _facts(moments: list[_Moment], num_rows: int, test_rows: int) -> dict[str, float]:
    load, build, fit, test_load, predict = np.diff([moment.wall for moment in moments])
    cpu = np.diff([moment.cpu for moment in moments])
    first, last = moments[0], moments[-1]
    foreign = (last.busy - first.busy - (last.cpu - first.cpu)) / (last.wall - first.wall)
    return {
        "load_seconds": load,
        "build_seconds": build,
        "fit_seconds": fit,
        "train_rows_per_second": num_rows / fit,
        "end_to_end_seconds": load + build + fit,
        "test_load_seconds": test_load,
        "predict_seconds": predict,
        "predict_rows_per_second": test_rows / predict,
        "fit_cpu_seconds": cpu[2],
        "predict_cpu_seconds": cpu[4],
        "foreign_cores": max(0.0, foreign),
    }


def _own_seconds() -> float:
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(use.ru_utime + use.ru_stime for use in map(resource.getrusage, whose))


def _busy_seconds() -> float:
    """Seconds that processors were kept busy by anybody; nan where the system does not say."""
    counts = Path("/proc/stat")
    if not counts.exists():
        return float("nan")
    user, nice, system, _idle, _waiting, *rest = map(
        int, counts.read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]
    )
    return (user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK")


def _peak_bytes() -> int:
    """The most memory that this process held: what the system calls its high-water mark.

    `getrusage` would count what the parent held when it started this process.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
