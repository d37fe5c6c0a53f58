"""The trainings of a learning curve, one after another; what is finished is kept and reused."""

from __future__ import annotations

import copy
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from plait.artifact import model_settings
from plait.balancing import Equal
from plait.data.history import History
from plait.data.log import Log
from plait.data.preparing import PreparedLog, prepare
from plait.data.schema import Schema
from plait.data.store import Store
from plait.errors import (
    ConfigurationError,
    TaskError,
    TrainingInterrupted,
    UnknownNameError,
)
from plait.experiment import Experiment
from plait.experiment.claiming import changed_since
from plait.experiment.running import remembered
from plait.metrics import primary_metric
from plait.models import MultiTaskModel
from plait.settings import settings_of
from plait.studies.page.html import html_of
from plait.studies.page.markdown import markdown_of
from plait.studies.profile.building import log_of, model_of
from plait.studies.report.wording import PARTS_IN_WORDS
from plait.tasks import Binary, Task
from plait.training import Training, evaluate_store, finish, warm_up
from plait.training.checkpoint import write_json

from .cells import Cell, Place, places_of, read_cell, write_cell
from .families import FAMILIES, SUPERVISED, method_of, reads_first_layer
from .gains import CurveTask
from .hiding import check_labels_left, fewer_labels
from .page import learn_curve_document
from .progress import line_of, seconds_left, title_of
from .result import LearnCurve
from .settings import CurveSettings

__all__ = ["Watcher", "forget_learn_curve", "learn_curve"]

STUDY, CELLS, FIRST_LAYERS, RESULT = "study.json", "cells", "first_layers", "result.json"
_WRITTEN = (STUDY, RESULT, "learn_curve.md", "learn_curve.html")

SEED_DISTANCE = 1_000
"""Between the seeds of two repetitions: the teachers of soft labels take the seeds that follow, and
no network may be in two repetitions, or these would not be independent."""


class Watcher(Protocol):
    """Is told how the study goes."""

    def begin(self, what: str) -> None:
        """Something begins that takes a while."""

    def tell(self, line: str) -> None:
        """A line for a person; what had begun is over."""


def learn_curve(
    experiment: str | Path | Experiment,
    out: str | Path,
    *,
    settings: CurveSettings | None = None,
    cache: str | Path | None = None,
    watcher: Watcher | None = None,
) -> LearnCurve:
    """Hide labels of a log, learn in five ways from what is left, and say which would help.

    Stability: experimental.

    The same call goes on where it was stopped, and adds to what is there: more seeds, shares, flips
    or ways to learn.

    Args:
        experiment: an experiment file, or what was read from one. Its own way to learn (`[method]`)
            is left aside.
        out: folder of the study: `result.json`, `learn_curve.html`, `learn_curve.md`, and a file
            for each finished training.
        settings: what is varied.
        cache: folder of prepared logs, shared with runs. None: inside `out`.
        watcher: told of every training.

    Raises:
        ExperimentFileError: the file has a problem.
        UnknownNameError: no task of this name.
        ConfigurationError: a share leaves a task without a positive label, the split has no rows to
            judge on, or `out` holds a study of another experiment.
        TrainingInterrupted: SIGINT or SIGTERM came; finished trainings are kept.
    """
    read = experiment if isinstance(experiment, Experiment) else Experiment.read(experiment)
    wanted = settings or CurveSettings()
    folder, told = Path(out), watcher or _Silent()
    given, notes = _given(read.arguments(), wanted)
    _make(folder)
    warm_up(given["training"].engine)
    told.begin("preparing the log")
    log = log_of(given)
    prepared = prepare(
        log, given["split"], cache=folder / "prepared" if cache is None else Path(cache)
    )
    study = _Study(folder, wanted, given, log, prepared, told)
    study.check()
    cells = study.run()
    curve = LearnCurve(
        folder=folder,
        name=read.path.name,
        settings=wanted,
        tasks=study.tasks,
        rows=(prepared.train.num_rows, study.judged.num_rows),
        cells=cells,
        notes=tuple(notes),
    )
    _write(curve)
    shutil.rmtree(folder / FIRST_LAYERS, ignore_errors=True)
    return curve


def forget_learn_curve(out: Path) -> None:
    """Remove a study from its folder, but for the prepared log."""
    for name in (CELLS, FIRST_LAYERS):
        shutil.rmtree(out / name, ignore_errors=True)
    for name in _WRITTEN:
        (out / name).unlink(missing_ok=True)


@dataclass(frozen=True)
class _Study:
    folder: Path
    settings: CurveSettings
    given: Mapping[str, Any]
    log: Log
    prepared: PreparedLog
    watcher: Watcher
    made: list[Cell] = field(default_factory=list)

    @cached_property
    def hidden(self) -> list[Task]:
        """The tasks whose labels are hidden."""
        wanted = self.settings.task
        return [task for task in self.prepared.tasks if wanted in (None, task.name)]

    @cached_property
    def tasks(self) -> tuple[CurveTask, ...]:
        """All tasks with what they are judged by."""
        hidden = {task.name for task in self.hidden}
        return tuple(
            CurveTask.judged_by(t.name, t.kind, primary_metric(t), is_hidden=t.name in hidden)
            for t in self.prepared.tasks
        )

    @cached_property
    def judged(self) -> Store:
        """The rows that judge."""
        store: Store = getattr(self.prepared, self.settings.on)
        return store

    def check(self) -> None:
        """See, before anything is trained, that every training is possible, and whose folder it is.

        Raises:
            ConfigurationError: it is not, or the folder holds another study.
        """
        for part in dict.fromkeys(("valid", self.settings.on)):
            if getattr(self.prepared, part) is None:
                raise ConfigurationError(
                    f"The split of this experiment gives no {PARTS_IN_WORDS[part]} rows. The study "
                    "needs validation rows to choose when a training stops, and rows to judge on. "
                    f"Give the split some (`split.{part}`)."
                )
        if any(self.settings.flips) and not any(isinstance(t, Binary) for t in self.hidden):
            raise ConfigurationError(
                "`flips` turn binary labels round, and no task whose labels are hidden is binary. "
                "Give 0 alone (`--flips 0`)."
            )
        spare = model_of(self.given, self.prepared, self.log)
        _claim(self.folder, self._description(spare))
        for seed in range(self.settings.seeds):
            for share in self.settings.shares:
                for flip in self.settings.flips:
                    left = self._left(Place(seed, share, flip, SUPERVISED))
                    check_labels_left(left, spare, self.hidden, share=share, flip=flip)

    def run(self) -> tuple[Cell, ...]:
        """Every training that is not there yet.

        Raises:
            TrainingInterrupted: SIGINT or SIGTERM came.
        """
        places = list(places_of(self.settings))
        kept = self.folder / CELLS
        kept.mkdir(parents=True, exist_ok=True)
        found = {place: read_cell(place, kept) for place in places}
        cells = {place: cell for place, cell in found.items() if cell is not None}
        if cells:
            self.watcher.tell(f"{len(cells)} of {len(places)} trainings are there already.")
        try:
            for place in places:
                if place not in cells:
                    cells[place] = self._cell(place, cells, places)
                    write_cell(cells[place], kept)
                    self._tell(cells[place], cells, places)
        except (KeyboardInterrupt, TrainingInterrupted) as stop:
            self.watcher.tell(
                f"Stopped. {len(cells)} of {len(places)} trainings are kept in {self.folder}; the "
                "same command goes on from there."
            )
            if isinstance(stop, TrainingInterrupted):
                raise TrainingInterrupted(stop.signal, folder=str(self.folder)) from stop
            raise
        return tuple(cells[place] for place in places)

    def _cell(self, place: Place, cells: Mapping[Place, Cell], places: Sequence[Place]) -> Cell:
        left = seconds_left(list(cells.values()), [p for p in places if p not in cells])
        about = "" if left is None else f", about {left / 60:.0f} min left"
        self.watcher.begin(f"{len(cells) + 1}/{len(places)} {title_of(place)}{about}")
        try:
            first_layer = self._first_layer(place) if reads_first_layer(place.family) else None
            return self._trained(place, first_layer)
        except (ConfigurationError, TaskError) as error:
            if place.family == SUPERVISED:
                raise
            return Cell(place, reason=str(error))

    def _trained(self, place: Place, first_layer: Path | None) -> Cell:
        begun = time.perf_counter()
        settings, train = self._training(place.seed), self._left(place)
        model = self._model(settings, train)
        method = method_of(place.family, first_layer=first_layer)
        history = method.fit(
            model,
            train,
            self.prepared.valid,
            settings=settings,
            balancer=copy.deepcopy(self.given["balancer"]),  # some remember what they saw
        )
        finish(model, train, self.prepared.valid, noise=history.noise)
        evaluation = evaluate_store(model, self.judged, group_by=self.given["group_by"])
        return Cell(
            place,
            metrics={
                task.name: {m: v.value for m, v in evaluation.tasks[task.name].items()}
                for task in self.tasks
            },
            labels={
                name: {what: found[what] for what in ("observed", "positives")}
                for name, found in train.facts["tasks"].items()
            },
            seconds=time.perf_counter() - begun,
        )

    def _first_layer(self, place: Place) -> Path | None:
        """What the hybrids of a seed stand on, learnt once: no label is read for it.

        None where no label is missing: hybrid learning is supervised there.
        """
        train = self._left(place)
        if not method_of("hybrid").prepares(train):
            return None
        folder = self.folder / FIRST_LAYERS / f"seed-{place.seed}"
        if not (folder / "first_layer" / "first_layer.json").exists():
            settings = self._training(place.seed)
            model = self._model(settings, train)
            begun = time.perf_counter()
            method_of("hybrid").prepare(model, train, settings=settings, folder=folder)
            spent = time.perf_counter() - begun
            self.watcher.tell(f"first layer of seed {place.seed}, from all rows ({spent:.1f} s)")
        return folder / "first_layer"

    def _left(self, place: Place) -> Store:
        return fewer_labels(
            self.prepared.train, self.hidden, share=place.share, flip=place.flip, seed=place.seed
        )

    def _model(self, settings: Training, train: Store) -> MultiTaskModel:
        given = {**self.given, "training": settings}
        return model_of(given, replace(self.prepared, train=train), self.log)

    def _training(self, seed: int) -> Training:
        training: Training = self.given["training"]
        return replace(training, seed=training.seed + SEED_DISTANCE * seed)

    def _tell(self, cell: Cell, cells: Mapping[Place, Cell], places: Sequence[Place]) -> None:
        open_places = [place for place in places if place not in cells]
        left = seconds_left(list(cells.values()), open_places)
        assert left is not None
        shown = {task.name: task.metric for task in self.tasks if task.is_hidden}
        self.watcher.tell(line_of(cell, shown, done=len(cells), total=len(places), left=left))

    def _description(self, model: MultiTaskModel) -> dict[str, Any]:
        """What all trainings of one folder have in common."""
        return {
            "plait": version("plait"),
            "prepared": self.prepared.key,
            "model": model_settings(model),
            "training": asdict(self.given["training"]),
            "balancing": settings_of(self.given["balancer"] or Equal()),
            "ways to learn": {family: method_of(family).to_json() for family in FAMILIES},
            "task": self.settings.task,
            "on": self.settings.on,
        }


class _Silent:
    """Tells nobody."""

    def begin(self, what: str) -> None:
        return

    def tell(self, line: str) -> None:
        return


def _given(arguments: dict[str, Any], settings: CurveSettings) -> tuple[dict[str, Any], list[str]]:
    """The arguments of `train` for this study, and notes on what is not as the file says.

    A history of labels would show what is hidden, so it remembers none of those.
    """
    names = [task.name for task in arguments["tasks"]]
    if settings.task is not None and settings.task not in names:
        raise UnknownNameError(settings.task, what="task", known=names)
    notes = []
    history: History | None = remembered(arguments["history"], arguments["schema"])
    if history is not None:
        shown = [task.name for task in history.remembered(arguments["tasks"])]
        kept = [name for name in shown if settings.task is not None and name != settings.task]
        if kept != shown:
            history = _remembering(history, kept, arguments["schema"])
            notes.append(
                "The history features that come from labels of "
                f"{settings.task or 'the tasks'} are left out here, since they would show what is "
                "hidden: figures with all labels may be lower than those of your own run."
            )
    if arguments.get("method") is not None:
        notes.append("The way to learn that the file names ([method]) is left aside here.")
    return {**arguments, "history": False if history is None else history}, notes


def _remembering(history: History, tasks: Sequence[str], schema: Schema) -> History | None:
    """The history with the labels of these tasks only; None where nothing is left of it."""
    without_labels = {"count", "recency"} if schema.time else {"count"}
    if not tasks and not history.sequence_length and without_labels.isdisjoint(history.features):
        return None
    return replace(history, tasks=tuple(tasks))


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"The folder {folder} cannot be made: {error.strerror}. Give another one (`--out`)."
        ) from error


def _claim(folder: Path, description: Mapping[str, Any]) -> None:
    """Write down what a study is, or see that the one in the folder is the same."""
    way_out = "Remove it, or the whole study."
    changed = changed_since(folder / STUDY, description, way_out=way_out)
    if changed:
        raise ConfigurationError(
            f"{folder} holds a study of something else ({', '.join(changed)} changed). Restore "
            "that to go on, replace the study by `--force`, or give another folder (`--out`)."
        )


def _write(curve: LearnCurve) -> None:
    write_json(curve.to_json(), curve.folder / RESULT)
    document = learn_curve_document(curve)
    for path, text in (
        (curve.html, html_of(document)),
        (curve.markdown, markdown_of(document)),
    ):
        beside = path.with_name(f".{path.name}.writing")
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
