"""The rows that a task is judged on, and one number a task for early stopping."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from plait.data.store import Store
from plait.metrics import expand_trials, normalised_entropy, primary_metric
from plait.models import MultiTaskModel
from plait.tasks import Binary, Multiclass, Task

Predictions = Mapping[str, NDArray[np.float32]]
Groups = NDArray[np.generic]


class JudgedRows(NamedTuple):
    """What a metric is fed: the rows inside an output's space, whose label was seen.

    Attributes:
        predictions: `[n]`, or `[n, C]` for several classes.
        targets: float64 `[n]`.
        weights: float64 `[n]` for aggregated rows; None: every row counts once.
        groups: `[n]` where groups were given.
    """

    predictions: NDArray[np.float32]
    targets: NDArray[np.float64]
    weights: NDArray[np.float64] | None
    groups: Groups | None


def judged_mask(model: MultiTaskModel, store: Store, output: str) -> NDArray[np.bool_]:
    """The rows that an output is judged on.

    A task: inside its space, label seen. An output that a link added: those rows of its task on
    which the parent's label is 1 (a conversion rate is judged on clicks).
    """
    for derived in model.derived:
        if derived.name == output:
            is_positive: NDArray[np.bool_] = store.labels(derived.within) == 1
            return store.observed(derived.task) & store.observed(derived.within) & is_positive
    return store.observed(output)


def judged_rows(
    model: MultiTaskModel,
    store: Store,
    output: str,
    predictions: NDArray[np.float32],
    *,
    rows: NDArray[np.bool_] | None = None,
    groups: Groups | None = None,
) -> JudgedRows:
    """The rows of an output for its metrics.

    Args:
        model: whose output it is.
        store: labels and masks.
        output: a task, or an output that a link added.
        predictions: of every row of the store.
        rows: a slice to stay in.
        groups: keys of every row of the store.
    """
    mask = judged_mask(model, store, output)
    if rows is not None:
        mask = mask & rows
    task = model.head(output).task
    found = predictions[mask]
    targets = store.labels(task.name)[mask].astype(np.float64)
    keys = None if groups is None else groups[mask]
    if isinstance(task, Binary) and task.trials is not None:
        trials = store.extra(f"{task.name}.trials")[mask]
        expanded = expand_trials(found, targets, trials, groups=keys)
        return JudgedRows(np.tile(found, 2), expanded.targets, expanded.weights, expanded.groups)
    return JudgedRows(found, targets, None, keys)


def scores(model: MultiTaskModel, store: Store, predictions: Predictions) -> dict[str, float]:
    """The primary metric of each task, turned so that higher is better.

    A metric that counts errors is divided by the spread of the labels and halved
    (`-0.5 RMSE / sd`), so that tasks of different units can be mixed.
    """
    return {
        name: _score(task, model, store, predictions[name]) for name, task in model.tasks.items()
    }


def fits(
    model: MultiTaskModel, store: Store, predictions: Predictions, found: Mapping[str, float]
) -> dict[str, float]:
    """How well each task's predictions fit the labels as numbers, higher is better.

    For a binary task the negated normalised entropy, which sees what an AUC does not: whether
    probabilities are right. For other tasks the score itself.
    """
    return {
        name: _negated_entropy(name, model, store, predictions[name])
        if isinstance(task, Binary)
        else found[name]
        for name, task in model.tasks.items()
    }


MANY_LABELS = 1_000
"""Rows from which on a task counts in full: an AUC is then known to about a hundredth."""


def shares_of_mix(model: MultiTaskModel, store: Store) -> dict[str, float]:
    """How much each target task counts in the mix: less where fewer than `MANY_LABELS` judge it.

    A score is known the better the more rows it is judged on, for a yes or no the more rows of its
    rarer class. With fewer rows its share is less in proportion: so weighs a mean of numbers that
    are known to different precision. Else the noise of a survey that few answered would decide when
    the training of all tasks ends. The largest share is 1.
    """
    counts = {
        name: _rows_that_tell(task, model, store, name)
        for name, task in model.tasks.items()
        if task.role == "target"
    }
    full = min(MANY_LABELS, max(counts.values(), default=0))
    return {name: min(1.0, count / full) if full else 0.0 for name, count in counts.items()}


def _rows_that_tell(task: Task, model: MultiTaskModel, store: Store, name: str) -> int:
    judged = judged_mask(model, store, name)
    count = int(np.count_nonzero(judged))
    if not isinstance(task, Binary) or task.trials is not None:
        return count
    positive = int(np.count_nonzero(store.labels(name)[judged] > 0))
    return min(positive, count - positive)


def mix(
    tasks: Mapping[str, Task], found: Mapping[str, float], weights: Mapping[str, float] | None
) -> float:
    """Weighted mean of the scores: by `weights`, or equal over the target tasks.

    A task whose score cannot be computed leaves the mean; nan where none is left.
    """
    if weights is None:
        weights = {name: 1.0 for name, task in tasks.items() if task.role == "target"}
    known = {name: w for name, w in weights.items() if w > 0 and math.isfinite(found[name])}
    total = sum(known.values())
    return sum(w * found[name] for name, w in known.items()) / total if total else math.nan


def _negated_entropy(
    name: str, model: MultiTaskModel, store: Store, predictions: NDArray[np.float32]
) -> float:
    judged = judged_rows(model, store, name, predictions)
    entropy = normalised_entropy(judged.predictions, judged.targets, weights=judged.weights)
    return -entropy.value


def _score(
    task: Task, model: MultiTaskModel, store: Store, predictions: NDArray[np.float32]
) -> float:
    metric = primary_metric(task)
    groups = store.key("request") if metric.needs_groups else None
    judged = judged_rows(model, store, task.name, predictions, groups=groups)
    metric.update(judged.predictions, judged.targets, weights=judged.weights, groups=judged.groups)
    value = metric.compute().value
    if metric.higher_is_better:
        return value
    if isinstance(task, Multiclass):
        return -value
    spread = float(judged.targets.std()) if len(judged.targets) else 0.0
    return -0.5 * value / spread if spread > 0 else math.nan
