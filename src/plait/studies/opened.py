"""A finished run, read again: its model, its rows, and what was said of it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plait.architectures import Architecture, Link
from plait.artifact import Artifact, read_artifact
from plait.data.preparing import PreparedLog, open_prepared
from plait.data.schema import Schema
from plait.data.store import Store
from plait.errors import ArtifactError
from plait.metrics import Value
from plait.models import MultiTaskModel
from plait.tasks import Task
from plait.training import EvaluationReport, SliceResult, predict_store

__all__ = ["OpenedRun", "open_run"]

_NO_RUN = "Finish it by `plait train … --resume`, or name the folder of a finished run."


@dataclass(frozen=True)
class OpenedRun:
    """A finished run and the prepared rows that it was trained and judged on.

    Stability: experimental.

    Attributes:
        folder: where it lies.
        artifact: the trained model and its preprocessor.
        prepared: the rows, as they were prepared for training.
        judged_on: `test`, `valid` or `train`.
        metrics: by output, by metric, as the run itself wrote them.
        slices: the same on slices of the rows.
        evaluations: those of the validation rows during training.
        stopped: why training ended.
        told: what the way to learn said of the run.
        skipped: steps in which a task's loss was not finite, by task.
        settings: `run.json`: how the run was made.
        architectures: your own classes, where the model was trained with one.
    """

    folder: Path
    artifact: Artifact
    prepared: PreparedLog
    judged_on: str
    metrics: Mapping[str, Mapping[str, Value]]
    slices: tuple[SliceResult, ...]
    evaluations: tuple[EvaluationReport, ...]
    stopped: str
    skipped: Mapping[str, int]
    settings: Mapping[str, Any]
    architectures: tuple[type[Architecture], ...] = ()
    told: tuple[str, ...] = ()

    @property
    def model(self) -> MultiTaskModel:
        """The trained model, in evaluation mode."""
        return self.artifact.model

    @property
    def schema(self) -> Schema:
        """Features and roles."""
        return self.artifact.schema

    @property
    def train(self) -> Store:
        """The rows it was trained on."""
        return self.prepared.train

    @property
    def judged(self) -> Store:
        """The rows it is judged on."""
        store: Store = getattr(self.prepared, self.judged_on)
        return store

    @cached_property
    def predictions(self) -> dict[str, NDArray[np.float32]]:
        """The model's predictions for the judged rows, by output."""
        return predict_store(self.model, self.judged)

    def task(self, output: str) -> Task:
        """The task whose label an output is judged on."""
        return self.model.head(output).task


def open_run(
    folder: str | Path,
    *,
    cache: str | Path | None = None,
    architectures: Sequence[type[Architecture]] = (),
    links: Sequence[type[Link]] = (),
) -> OpenedRun:
    """Open a finished run with its prepared rows.

    Args:
        folder: the run's folder.
        cache: the folder of prepared logs, where the run was trained with one of its own.
        architectures: your own classes, where the model was trained with one.
        links: your own links.

    Raises:
        ArtifactError: the run is not finished, a file is damaged, or its prepared rows are gone.
    """
    folder = Path(folder)
    metrics = _read(folder / "metrics.json")
    settings = _read(folder / "run.json")
    history = _read(folder / "history.json")
    judged_on = next(part for part in metrics if part != "slices")
    return OpenedRun(
        folder=folder,
        artifact=read_artifact(folder, architectures=architectures, links=links),
        prepared=_prepared(folder, settings["prepared"], cache),
        judged_on=judged_on,
        metrics={
            output: {name: _value(form) for name, form in values.items()}
            for output, values in metrics[judged_on].items()
        },
        slices=tuple(_slice(form) for form in metrics["slices"]),
        evaluations=tuple(EvaluationReport(**report) for report in history["evaluations"]),
        stopped=history["stopped"],
        skipped=history["skipped"],
        settings=settings,
        architectures=tuple(architectures),
        told=tuple(history.get("notes", ())),
    )


def _prepared(folder: Path, key: str, cache: str | Path | None) -> PreparedLog:
    place = (folder / "prepared" if cache is None else Path(cache)) / key
    if not (place / "log.json").exists():
        raise ArtifactError(
            place,
            found="the rows that the run was trained on are not there",
            way_out="If it was trained with a `cache` (`--cache`), name that folder here too.",
        )
    return open_prepared(place)


def _read(path: Path) -> Any:  # noqa: ANN401 (JSON is what it is)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ArtifactError(path, found="there is no finished run", way_out=_NO_RUN) from error
    except ValueError as error:
        raise ArtifactError(
            path, found=f"not valid JSON ({error})", way_out="Copy the whole folder again."
        ) from error


def _value(form: Mapping[str, Any]) -> Value:
    value = math.nan if form["value"] is None else form["value"]
    return Value(**{**{name: form[name] for name in Value._fields}, "value": value})


def _slice(form: Mapping[str, Any]) -> SliceResult:
    return SliceResult(form["column"], form["slice"], form["task"], form["metric"], _value(form))
