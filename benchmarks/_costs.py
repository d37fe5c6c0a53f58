"""Time and memory of a step of each balancer, beside those of equal weights."""

from __future__ import annotations

import ctypes
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from _report import Row
from _synthetic import SCHEMA, write_log
from _torchjd import TheirBackward, dense_lookups
from torchjd import aggregation

from plait import Binary, RandomSplit, Training
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
    DualProj,
    Equal,
    FairGrad,
    GradNorm,
    MetaBalance,
    PCGrad,
    UPGrad,
)
from plait.data.log import Log
from plait.data.preparing import PreparedLog, prepare
from plait.experiment.running import build
from plait.models import MultiTaskModel
from plait.training import Callback, StepReport, Trainer, fit_heads

__all__ = ["COSTS", "Made", "memory", "times"]

COSTS: dict[str, Callable[[], Balancer]] = {
    **{rule.__name__: rule for rule in (Equal, BaseRate, RLW, UW, IMTLL, GLS, DWA, STCH, FAMO)},
    **{rule.__name__: rule for rule in (GradNorm, MGDA, PCGrad, CAGrad, IMTLG, FairGrad)},
    **{rule.__name__: rule for rule in (AlignedMTL, UPGrad, DualProj)},
    "MetaBalance": lambda: MetaBalance(target="task_0"),
    "PCD": lambda: PCD(target="task_0"),
    "MGDA, encoded": lambda: MGDA(surface="encoded"),
    "MGDA, tables": lambda: MGDA(surface="tables"),
    "MGDA, parameters": lambda: MGDA(surface="parameters"),
    "torchjd, MGDA": lambda: TheirBackward(aggregation.MGDA()),
}
WARM_UP = 3


@dataclass(frozen=True)
class Made:
    """The log that is made.

    Attributes:
        rows: how many.
        table_rows: of the four largest tables. None: as many as the log has ids.
    """

    rows: int
    table_rows: int | None = None


def times(names: Sequence[str], tasks: int, log: Made, *, steps: int) -> Iterator[Row]:
    """CPU seconds of a step of each rule over those of a step of equal weights beside it."""
    with tempfile.TemporaryDirectory(prefix="plait-") as folder:
        prepared, start = _ready(log, tasks, Path(folder))
        _alone(start, prepared, "Equal", Callback(), steps=1)  # what is imported once
        for name in names:
            ratios = _side_by_side(start, prepared, name, steps=steps)
            quartiles = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
            yield {
                "what": "cost of a step",
                "rule": name,
                "tasks": tasks,
                "times_equal": statistics.median(ratios),
                "quartile": quartiles[0],
                "other_quartile": quartiles[2],
                "steps": steps,
            }


def memory(names: Sequence[str], tasks: int, log: Made, *, steps: int) -> Iterator[Row]:
    """Peak memory of a few steps of each rule, and that of equal weights."""
    _give_back_at_once()
    with tempfile.TemporaryDirectory(prefix="plait-") as folder:
        prepared, start = _ready(log, tasks, Path(folder))
        found = {}
        for name in dict.fromkeys(["Equal", *names]):
            _alone(start, prepared, name, Callback(), steps=1)
            _alone(start, prepared, name, stretch := _Stretch(), steps=steps)
            found[name] = stretch.mib
            yield {
                "what": "memory of a step",
                "rule": name,
                "tasks": tasks,
                "mib": found[name],
                "more_mib": found[name] - found["Equal"],
                "steps": steps,
            }


def _ready(log: Made, tasks: int, folder: Path) -> tuple[PreparedLog, MultiTaskModel]:
    """The rows, and the default network, its four largest tables with as many rows as asked."""
    labels = ("click", "purchase")
    records = tuple(Binary(f"task_{place}", label=labels[place % 2]) for place in range(tasks))
    path = folder / "log.parquet"
    write_log(path, log.rows)
    split = RandomSplit(valid=0.0, test=0.0)
    prepared = prepare(Log((path,), SCHEMA, records), split, cache=folder)
    if log.table_rows is None:
        return prepared, build(prepared)
    layout = prepared.preprocessor.layout
    largest = sorted(layout.tables, key=lambda table: -table.num_rows)[:4]
    tables = tuple(
        replace(table, num_rows=max(log.table_rows, table.num_rows)) if table in largest else table
        for table in layout.tables
    )
    model = MultiTaskModel(replace(layout, tables=tables), prepared.tasks)
    fit_heads(model, prepared.train)
    return prepared, model


def _alone(
    start: MultiTaskModel, prepared: PreparedLog, name: str, callback: Callback, *, steps: int
) -> None:
    """Train a copy with a rule for some steps after the warm-up."""
    model, rule = deepcopy(start), COSTS[name]()
    lookups: AbstractContextManager[None] = nullcontext()
    if isinstance(rule, TheirBackward):
        rule.model, lookups = model, dense_lookups()
    settings = Training(max_steps=WARM_UP + steps, epochs=10_000)
    with lookups:
        Trainer(model, settings, balancer=rule, callbacks=[callback]).fit(prepared.train)


def _side_by_side(
    start: MultiTaskModel, prepared: PreparedLog, name: str, *, steps: int
) -> list[float]:
    """A step of equal weights, one of the rule, and so on: the ratio of each two neighbours."""
    turns = [threading.Semaphore(1), threading.Semaphore(0)]
    clocks = [_InTurn(turns[place], turns[1 - place]) for place in range(2)]
    failed: list[BaseException] = []

    def go(place: int) -> None:
        torch.set_num_threads(1)
        try:
            clocks[place].begin()
            rule = ("Equal", name)[place]
            _alone(start, prepared, rule, clocks[place], steps=steps)
        except BaseException as error:  # noqa: BLE001 (told below; the other side must go on)
            failed.append(error)
        finally:
            turns[1 - place].release()

    threads = [threading.Thread(target=go, args=(place,)) for place in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    equal, other = (clock.seconds[WARM_UP:] for clock in clocks)
    return [theirs / plain for theirs, plain in zip(other, equal, strict=True)]


class _InTurn(Callback):
    """CPU seconds of each step; after it, the other side's turn.

    Args:
        mine: free when it is this side's turn.
        theirs: free when it is the other's.
    """

    def __init__(self, mine: threading.Semaphore, theirs: threading.Semaphore) -> None:
        self.mine, self.theirs = mine, theirs
        self.seconds: list[float] = []
        self._begun = 0.0

    def begin(self) -> None:
        """Wait for the first turn."""
        self.mine.acquire()

    def on_start(self, *, steps_done: int, total_steps: int) -> None:
        """Preparing is over."""
        self._begun = time.thread_time()

    def on_step(self, report: StepReport) -> None:
        """Note the step, and wait until the other side has made one."""
        self.seconds.append(time.thread_time() - self._begun)
        if report.step < report.total_steps:
            self.theirs.release()
            self.mine.acquire()
        self._begun = time.thread_time()


class _Stretch(Callback):
    """How far the highest memory of the steps after the warm-up lies above where they began."""

    mib = float("nan")

    def on_step(self, report: StepReport) -> None:
        """Begin after the warm-up, end with the last step."""
        if report.step == WARM_UP:
            Path("/proc/self/clear_refs").write_text("5")
            self._before = _status_mib("VmRSS")
        if report.step == report.total_steps:
            self.mib = _status_mib("VmHWM") - self._before


def _status_mib(name: str) -> float:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    (found,) = (line.split()[1] for line in lines if line.startswith(name))
    return float(found) / 1024


def _give_back_at_once() -> None:
    """Let glibc map what is larger than 64 KiB by itself, and unmap it when it is freed."""
    trim, map_above = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD
    libc = ctypes.CDLL(None)
    libc.mallopt(map_above, 64 * 1024)
    libc.mallopt(trim, 0)
