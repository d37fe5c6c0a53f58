"""What a baseline is fitted on: the rows on which an output is judged, in the training part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plait.data.store import Store
from plait.metrics import expand_trials
from plait.models import MultiTaskModel
from plait.tasks import Binary, Count, Multiclass, Task
from plait.training.judging import judged_mask

__all__ = ["Targets", "exposure", "targets_of"]

MOST_ROWS = 200_000
"""Training rows that a baseline is fitted on; where there are more, a seeded draw of them."""


@dataclass(frozen=True)
class Targets:
    """Labels of one output on training rows.

    Attributes:
        task: the task whose label it is.
        rows: positions in the store `[n]`; with trials each row is there twice.
        values: labels `[n]`: 0 or 1, a class, a number, or a count for each unit of exposure.
        weights: float64 `[n]`, positive.
    """

    task: Task
    rows: NDArray[np.int64]
    values: NDArray[np.float64]
    weights: NDArray[np.float64]

    @property
    def is_class(self) -> bool:
        """Whether labels are classes: a classifier is wanted, and not a regression."""
        return isinstance(self.task, Binary | Multiclass)

    @property
    def columns(self) -> NDArray[np.float64]:
        """The labels `[n, 1]`, or one column of 0 and 1 a class `[n, C]`."""
        if isinstance(self.task, Multiclass):
            classes = np.arange(len(self.task.classes or ()))
            return np.asarray(self.values[:, None] == classes, dtype=np.float64)
        return self.values[:, None]


def targets_of(model: MultiTaskModel, train: Store, output: str, *, seed: int) -> Targets | None:
    """The training labels of an output; None where there are none of positive weight."""
    task = model.head(output).task
    rows = np.flatnonzero(judged_mask(model, train, output))
    if len(rows) > MOST_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, MOST_ROWS, replace=False))
    values = train.labels(task.name)[rows].astype(np.float64)
    weights = train.weights(task.name)[rows].astype(np.float64)
    if isinstance(task, Binary) and task.trials is not None:
        expanded = expand_trials(np.zeros(len(rows)), values, weights)  # weights count the trials
        rows, values, weights = np.tile(rows, 2), expanded.targets, expanded.weights
    scale = exposure(task, train)
    if scale is not None:
        weights = weights * scale[rows]
        values = values / np.maximum(scale[rows], 1e-12)
    counted = weights > 0
    if not counted.any():
        return None
    return Targets(task, rows[counted], values[counted], weights[counted])


def exposure(task: Task, store: Store) -> NDArray[np.float64] | None:
    """What the prediction of a count is to be multiplied by, row by row; None: nothing."""
    if isinstance(task, Count) and task.exposure is not None:
        return store.extra(f"{task.name}.exposure").astype(np.float64)
    return None
