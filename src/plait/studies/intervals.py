"""How sure a metric is: an interval for one model, and for the difference between two."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plait.metrics import (
    AUC,
    Estimate,
    Value,
    delong_interval,
    delong_test,
    paired_bootstrap,
    primary_metric,
)
from plait.metrics.bootstrap import Measure
from plait.tasks import Task
from plait.training.judging import JudgedRows

__all__ = ["difference", "has_closed_form", "interval"]

NUM_RESAMPLES = 200


def interval(
    task: Task,
    judged: JudgedRows,
    *,
    clusters: NDArray[np.generic] | None,
    seed: int,
    num_resamples: int = NUM_RESAMPLES,
) -> Estimate:
    """The primary metric of a task with its 95 % interval: DeLong's for an AUC, else bootstrap.

    Args:
        task: whose primary metric.
        judged: the rows it is judged on.
        clusters: users, drawn as one in the bootstrap; None: rows.
        seed: of the resamples.
        num_resamples: how many.
    """
    if has_closed_form(task, judged):
        return delong_interval(judged.predictions, judged.targets)
    nothing = np.zeros_like(judged.predictions)
    measure = measure_of(task, judged)

    def or_nothing(
        predictions: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None = None
    ) -> Value:
        if predictions is nothing:
            return Value(0.0)
        return measure(predictions, targets, weights=weights)

    found = _resampled(or_nothing, judged, nothing, clusters, seed, num_resamples)
    return found._replace(p_value=math.nan)


def difference(
    task: Task,
    judged: JudgedRows,
    other: NDArray[np.float32],
    *,
    clusters: NDArray[np.generic] | None,
    seed: int,
    num_resamples: int = NUM_RESAMPLES,
) -> Estimate:
    """The task's primary metric minus that of other predictions for the same rows, paired.

    Args:
        task: whose primary metric.
        judged: the rows with the predictions of the first model.
        other: the predictions of the second for the same rows.
        clusters: as in `interval`.
        seed: of the resamples.
        num_resamples: how many.
    """
    if has_closed_form(task, judged):
        return delong_test(judged.predictions, other, judged.targets)
    return _resampled(
        measure_of(task, judged), judged, np.asarray(other), clusters, seed, num_resamples
    )


def has_closed_form(task: Task, judged: JudgedRows) -> bool:
    """Whether DeLong's interval holds: an AUC of rows that count once each."""
    return isinstance(primary_metric(task), AUC) and judged.weights is None


def measure_of(task: Task, judged: JudgedRows) -> Measure:
    """The task's primary metric as a function; the groups of the rows are fixed."""

    def measure(
        predictions: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None = None
    ) -> Value:
        metric = primary_metric(task)
        metric.update(predictions, targets, weights=weights, groups=judged.groups)
        return metric.compute()

    return measure


def _resampled(
    measure: Callable[..., Value],
    judged: JudgedRows,
    second: NDArray[np.generic],
    clusters: NDArray[np.generic] | None,
    seed: int,
    num_resamples: int,
) -> Estimate:
    return paired_bootstrap(
        measure,
        judged.predictions,
        second,
        judged.targets,
        generator=np.random.default_rng(seed),
        weights=judged.weights,
        clusters=clusters,
        num_resamples=num_resamples,
    )
