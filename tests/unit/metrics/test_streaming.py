from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from tests.unit.metrics.examples import Example, binary_rows

from plait.metrics import StreamingAUC, auc


@settings(max_examples=40, deadline=None)
@given(binary_rows())
def test_the_exact_auc_lies_within_the_bound(rows: Example) -> None:
    metric = StreamingAUC()
    metric.update(rows.predictions, rows.targets, weights=rows.weights)
    exact = auc(rows.predictions, rows.targets, weights=rows.weights).value
    assert abs(metric.compute().value - exact) <= metric.error_bound() + 1e-12


@pytest.mark.parametrize("scale", [1e-6, 1e-3, 1.0])
def test_rare_events_are_told_apart(scale: float) -> None:
    generator = np.random.default_rng(0)
    targets = generator.integers(0, 2, 20_000)
    predictions = (scale * (0.1 + generator.random(20_000) * (1 + targets)) / 3).astype(np.float32)
    metric = StreamingAUC()
    metric.update(predictions, targets)
    exact = auc(predictions, targets).value
    assert metric.error_bound() < 1e-3
    assert abs(metric.compute().value - exact) <= metric.error_bound()


def test_the_bound_is_reached_where_all_pairs_share_a_bin() -> None:
    metric = StreamingAUC()
    metric.update([1e-15, 1e-12], [0, 1])
    assert metric.compute().value == 0.5
    assert metric.error_bound() == 0.5


def test_the_outermost_probabilities_have_a_place() -> None:
    metric = StreamingAUC()
    metric.update([0.0, 1.0], [0, 1])
    assert metric.compute().value == 1.0


def test_it_has_no_bound_where_it_has_no_answer() -> None:
    metric = StreamingAUC()
    metric.update([0.1, 0.2], [1, 1])
    assert metric.compute().reason == "all 2 rows are positive: both classes are needed"
    assert math.isnan(metric.error_bound())


def test_case_38_a_streaming_auc_equals_the_exact_one_for_each_task() -> None:
    generator = np.random.default_rng(1)
    predictions = generator.random((1000, 2))
    targets = (generator.random((1000, 2)) < predictions).astype(np.float32)
    metrics = (StreamingAUC(), StreamingAUC())
    for part in np.array_split(np.arange(1000), 9):
        for task, metric in enumerate(metrics):
            metric.update(predictions[part, task], targets[part, task])
    for task, metric in enumerate(metrics):
        exact = auc(predictions[:, task], targets[:, task]).value
        assert abs(metric.compute().value - exact) <= metric.error_bound() < 1e-3
