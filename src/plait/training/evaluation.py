"""How good every output is, in its own space, with counts; and the same on slices of the rows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from plait.data.batch import UNKNOWN
from plait.data.canonical import role_codes
from plait.data.store import Store
from plait.metrics import Metric, Value, metrics_for, primary_metric
from plait.models import MultiTaskModel

from .judging import Groups, Predictions, judged_rows
from .prediction import predict_store

MOST_SLICES = 50
"""A column with more values than this is sliced by its most frequent ones; the rest are `other`."""


class SliceResult(NamedTuple):
    """One metric of one output on some of the rows.

    Attributes:
        column: what the rows were sliced by.
        value: the value of that column.
        task: the output.
        metric: the metric's name.
        result: its value and counts.
    """

    column: str
    value: str
    task: str
    metric: str
    result: Value


@dataclass(frozen=True)
class Evaluation:
    """The metrics of every output.

    Stability: experimental.

    Attributes:
        tasks: by output, by metric.
        slices: the primary metric of each output on slices of the rows. Rows whose user or item
            was seen in training, and those whose was not, are always there.
    """

    tasks: dict[str, dict[str, Value]]
    slices: tuple[SliceResult, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain data: `{TASK: {METRIC: {"value": …, "n": …}}}`; nan as null, with its reason."""
        return {
            task: {metric: value_to_json(value) for metric, value in metrics.items()}
            for task, metrics in self.tasks.items()
        }

    def slices_to_json(self) -> list[dict[str, Any]]:
        """The slices as flat records."""
        return [
            {
                "column": entry.column,
                "slice": entry.value,
                "task": entry.task,
                "metric": entry.metric,
                **value_to_json(entry.result),
            }
            for entry in self.slices
        ]


def value_to_json(value: Value) -> dict[str, Any]:
    """A metric's answer as plain data."""
    form = value._asdict()
    form["value"] = None if math.isnan(value.value) else value.value
    return form


def evaluate_store(
    model: MultiTaskModel,
    store: Store,
    *,
    predictions: Predictions | None = None,
    group_by: str | None = None,
    slices: Sequence[str] = (),
) -> Evaluation:
    """Judge every output of a model on a prepared store.

    Args:
        model: the model.
        store: the rows.
        predictions: of every row, where they are there already.
        group_by: column for the grouped metrics; every null is a group of its own. None: the
            user, where the schema has one, and the request for ranking tasks.
        slices: further columns to slice by.

    Raises:
        UnknownNameError: the store does not hold a column.
    """
    found = predict_store(model, store) if predictions is None else predictions
    tasks = {
        output: _measure(model, store, output, found, group_by=group_by) for output in model.outputs
    }
    results = [
        SliceResult(column, value, output, metric.name, metric.compute())
        for column, value, rows in _slices(store, slices)
        for output in model.outputs
        for metric in [_fed(model, store, output, found, rows)]
    ]
    return Evaluation(tasks, tuple(results))


def _measure(
    model: MultiTaskModel, store: Store, output: str, found: Predictions, *, group_by: str | None
) -> dict[str, Value]:
    task = model.head(output).task
    groups = _groups(store, group_by, is_ranking=task.kind == "ranking")
    judged = judged_rows(model, store, output, found[output], groups=groups)
    values: dict[str, Value] = {}
    for metric in metrics_for(task):
        if metric.needs_groups and groups is None:
            continue
        metric.update(
            judged.predictions, judged.targets, weights=judged.weights, groups=judged.groups
        )
        values[metric.name] = metric.compute()
    return values


def _groups(store: Store, group_by: str | None, *, is_ranking: bool) -> Groups | None:
    if group_by is not None:
        return role_codes(store.frame([group_by])[group_by], column=group_by)[0]
    for role in ("request", "user") if is_ranking else ("user",):
        if role in store.layout.keys:
            return store.key(role)
    return None


def _fed(
    model: MultiTaskModel, store: Store, output: str, found: Predictions, rows: NDArray[np.bool_]
) -> Metric:
    metric = primary_metric(model.head(output).task)
    groups = _groups(store, None, is_ranking=True) if metric.needs_groups else None
    judged = judged_rows(model, store, output, found[output], rows=rows, groups=groups)
    metric.update(judged.predictions, judged.targets, weights=judged.weights, groups=judged.groups)
    return metric


def _slices(store: Store, columns: Sequence[str]) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    """Column, value and rows of every slice; first the seen and unseen users and items."""
    for position, column in enumerate(store.layout.ids):
        if store.layout.table(column.table).is_key:
            unseen = store.ids[:, position] == UNKNOWN
            yield column.feature, "seen in training", ~unseen
            yield column.feature, "not seen in training", unseen
    for name in columns:
        values = store.frame([name])[name].cast(pl.String).fill_null("null")
        counts = pl.DataFrame({"value": values}).group_by("value").len("rows")
        by_size = counts.sort("rows", "value", descending=[True, False])
        common = by_size["value"].head(MOST_SLICES).to_list()
        for value in common:
            yield name, value, (values == value).to_numpy()
        rest = ~values.is_in(common)
        if rest.any():
            yield name, "other", rest.to_numpy()
