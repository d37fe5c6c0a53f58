"""The steps of the demonstration, one after another."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from plait.errors import TrainingInterrupted
from plait.experiment import Experiment, Run, train
from plait.metrics import primary_metric
from plait.studies.report import Options, Report, write_report
from plait.training import Callback
from plait.training.checkpoint import write_json

from .files import EXPERIMENT, LOG, METRICS, REPORT, RUN, train_command, way_on
from .logs import ReadyLog, catalogued, drafted, simulated
from .options import BASELINES_OF_DEMO, NUM_RESAMPLES, ROWS, DemoOptions
from .result import Demo, rows_of
from .verdict import tasks_alone, verdict

__all__ = ["Watcher", "run_demo"]


class Watcher(Protocol):
    """Is told how the demonstration goes."""

    def begin(self, what: str) -> None:
        """A step begins that takes a while."""

    def tell(self, line: str) -> None:
        """A line for a person; the step that had begun is over."""


def run_demo(
    folder: Path,
    options: DemoOptions | None = None,
    *,
    watcher: Watcher,
    callbacks: Sequence[Callback] = (),
) -> Demo:
    """Make or find a log, draft its experiment, train it, compare it, and write what came out.

    Every file is there as soon as its step is done, so that a demonstration which was stopped
    leaves what it had.

    Stability: experimental.

    Args:
        folder: where the files go; files of the same names are replaced.
        options: the log, the seed and settings.
        watcher: told of every step.
        callbacks: told of every step of training.

    Raises:
        UnknownNameError: no set of the catalogue has this name.
        DataError: files of the set are missing.
        ConfigurationError: `folder / "run"` holds a run already, or a setting does not exist.
    """
    steps = _Steps(folder, options or DemoOptions(), watcher)
    begun = time.perf_counter()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        demo = steps.run(callbacks)
    except (KeyboardInterrupt, TrainingInterrupted) as stop:
        for line in way_on(folder):
            watcher.tell(line)
        if isinstance(stop, TrainingInterrupted) and stop.folder is None:
            raise KeyboardInterrupt from stop  # it was a network to compare with
        raise
    return replace(demo, seconds=time.perf_counter() - begun)


@dataclass(frozen=True)
class _Steps:
    folder: Path
    options: DemoOptions
    watcher: Watcher

    def run(self, callbacks: Sequence[Callback]) -> Demo:
        ready = self.make_ready()
        has_history = _has_history(ready.experiment)
        overrides = self.options.overrides(ready.rows, has_history=has_history)
        run = self.train(ready, overrides, callbacks)
        judgements = self.compare(run).findings.judgements
        demo = Demo(
            folder=self.folder,
            rows=ready.rows,
            seed=self.options.seed,
            overrides=overrides,
            judged_on=run.judged_on,
            table=rows_of(judgements),
            verdict=verdict(judgements),
        )
        write_json(demo.metrics(), self.folder / METRICS)
        return demo

    def make_ready(self) -> ReadyLog:
        experiment = self.folder / EXPERIMENT
        name, path = self.options.dataset, self.options.path
        if name is not None and path is not None:
            with self._timed(f"reading {name}") as told:
                ready = catalogued(name, path, experiment)
                told.append(ready.told)
        else:
            rows, log = self.options.rows or ROWS, self.folder / LOG
            with self._timed(f"simulating {rows:,} rows") as told:
                simulated(log, rows=rows, seed=self.options.seed)
                told.append(f"Simulated {rows:,} rows of a feed: {log}")
            with self._timed("drafting an experiment file") as told:
                ready = drafted(log, experiment)
                told.append(ready.told)
        for warning in ready.warnings:
            self.watcher.tell(f"  {warning}")
        return ready

    def train(
        self, ready: ReadyLog, overrides: Sequence[str], callbacks: Sequence[Callback]
    ) -> Run:
        """Train the experiment file as it is written, but for the overrides, which are told."""
        out = self.folder / RUN
        self.watcher.tell(f"Training, as by: {train_command(self.folder, overrides)}")
        experiment = Experiment.read(ready.experiment, overrides)
        with self._timed("preparing the rows") as told:
            run = train(**experiment.arguments(), out=out, callbacks=callbacks)
            outputs = len(run.evaluation.tasks)
            told.append(f"Trained, judged and saved one network of {outputs} outputs: {out}")
        return run

    def compare(self, run: Run) -> Report:
        assert run.artifact is not None
        tasks = tuple(run.artifact.model.tasks.values())
        values = {
            task.name: run.evaluation.tasks[task.name][primary_metric(task).name] for task in tasks
        }
        alone = tasks_alone(tasks, values)
        options = Options(
            baselines=BASELINES_OF_DEMO,
            alone=alone,
            num_resamples=NUM_RESAMPLES,
            seed=self.options.seed,
        )
        named = " and ".join(alone)
        with self._timed(f"training {named} alone, and simple models") as told:
            report = write_report(run.folder, options=options)
            shutil.copyfile(report.html, self.folder / REPORT)
            told.append(f"Compared with simple models, and with {named} trained alone")
        return report

    @contextmanager
    def _timed(self, what: str) -> Iterator[list[str]]:
        """Tell that a step begins; when it is done, tell the line that it left, with its time."""
        self.watcher.begin(what)
        begun, told = time.perf_counter(), list[str]()
        yield told
        self.watcher.tell(f"{told[0]} ({time.perf_counter() - begun:.1f} s)")


def _has_history(experiment: Path) -> bool:
    arguments = Experiment.read(experiment).arguments()
    schema = arguments["schema"]
    return bool(arguments["history"] and schema.user and schema.item)
