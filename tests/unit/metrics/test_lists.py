"""NDCG and the measures of the first k rows, against scikit-learn and by hand."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score
from tests.unit.metrics.examples import Example, number_rows

from plait.errors import MetricInputError
from plait.metrics import (
    MAP,
    NDCG,
    Value,
    hit_rate,
    mean_average_precision,
    mrr,
    ndcg,
    precision,
    recall,
)

FEW = settings(max_examples=50, deadline=None)
MEASURES = [ndcg, mrr, hit_rate, precision, recall, mean_average_precision]


def _lists(rows: Example) -> list[tuple[np.ndarray, np.ndarray]]:
    members = [rows.groups == group for group in np.unique(rows.groups)]
    return [
        (rows.predictions[member], rows.targets[member])
        for member in members
        if rows.targets[member].max() > 0
    ]


@FEW
@given(number_rows(), st.sampled_from([1, 3, 10]), st.sampled_from(["linear", "exponential"]))
def test_ndcg_is_that_of_scikit_learn_with_ties(rows: Example, k: int, gain: str) -> None:
    values = []
    for p, y in _lists(rows):
        gains = y if gain == "linear" else 2**y - 1
        if len(y) == 1:  # scikit-learn refuses lists of one
            values.append(1.0)
        else:
            values.append(ndcg_score(gains[None], p[None], k=k))
    found = ndcg(
        rows.predictions,
        rows.targets,
        rows.groups,
        k=k,
        gain=gain,  # type: ignore[arg-type]  # a sampled literal
    )
    assert found.value == pytest.approx(np.mean(values), abs=1e-12)
    assert found.n_groups == len(values)
    assert found.n_dropped == len(np.unique(rows.groups)) - len(values)


def _brute(p: np.ndarray, y: np.ndarray, k: int) -> dict[object, float]:
    order = sorted(range(len(p)), key=lambda i: (-p[i], y[i] > 0))
    relevant = [bool(y[i] > 0) for i in order]
    top, total = relevant[:k], sum(relevant)
    first = next((place for place, hit in enumerate(top, 1) if hit), math.inf)
    precisions = [sum(top[:place]) / place for place, hit in enumerate(top, 1) if hit]
    return {
        mrr: 1 / first,
        hit_rate: float(any(top)),
        precision: sum(top) / k,
        recall: sum(top) / total,
        mean_average_precision: sum(precisions) / min(k, total),
    }


@FEW
@given(number_rows(), st.sampled_from([1, 2, 5, 50]))
def test_the_first_k_rows_are_counted_as_by_hand(rows: Example, k: int) -> None:
    by_list = [_brute(p, y, k) for p, y in _lists(rows)]
    for measure in (mrr, hit_rate, precision, recall, mean_average_precision):
        found = measure(rows.predictions, rows.targets, rows.groups, k=k)
        assert found.value == pytest.approx(np.mean([values[measure] for values in by_list]))


@pytest.mark.parametrize("measure", MEASURES)
def test_weight_two_throughout_a_list_is_the_list_twice(measure: Callable[..., Value]) -> None:
    p, y = [0.9, 0.8, 0.7, 0.6, 0.5], [0, 1, 0, 1, 1]
    weighted = measure(p, y, [1, 1, 2, 2, 2], weights=[2, 2, 1, 1, 1], k=2)
    copied = measure(p[:2] + p, y[:2] + y, [0, 0, 1, 1, 2, 2, 2], k=2)
    assert weighted.value == pytest.approx(copied.value)


@pytest.mark.parametrize("measure", MEASURES)
def test_rows_of_weight_zero_are_as_if_absent(measure: Callable[..., Value]) -> None:
    p, y, g = [0.9, 0.8, 0.7, 0.6], [1, 0, 1, 0], ["a", "a", "a", "b"]
    found = measure(p, y, g, weights=[0, 1, 1, 0], k=1)
    assert found == measure(p[1:3], y[1:3], g[1:3], k=1)


@pytest.mark.parametrize("measure", MEASURES)
def test_the_order_of_the_rows_plays_no_part(measure: Callable[..., Value]) -> None:
    generator = np.random.default_rng(0)
    p, y, g = np.round(generator.random(60), 1), generator.integers(0, 2, 60), np.arange(60) % 4
    order = generator.permutation(60)
    one = measure(p, y, g, k=3)
    other = measure(p[order], y[order], g[order], k=3)
    assert one.value == pytest.approx(other.value, abs=1e-12)


@pytest.mark.parametrize("measure", [mrr, hit_rate, mean_average_precision])
def test_a_constant_score_earns_nothing_by_luck(measure: Callable[..., Value]) -> None:
    found = measure([0.5] * 4, [1, 0, 0, 0], [1] * 4, k=3)
    assert found.value == 0.0


@pytest.mark.parametrize("measure", MEASURES)
def test_lists_without_a_relevant_row_are_dropped_and_counted(
    measure: Callable[..., Value],
) -> None:
    found = measure([0.9, 0.8, 0.7, 0.6], [1, 0, 0, 0], [1, 1, 2, 3], k=1)
    assert (found.value, found.n, found.n_groups, found.n_dropped) == (1.0, 2, 1, 2)


@pytest.mark.parametrize("measure", MEASURES)
def test_what_cannot_be_computed_is_nan_with_its_reason(measure: Callable[..., Value]) -> None:
    for predictions, targets, groups, reason in (
        ([], [], [], "there are no rows"),
        ([0.1], [1], [None], "none of 1 rows has a group"),
        ([0.1, 0.2], [0, 0], [1, 2], "none of 2 groups holds a relevant row (a target above 0)"),
        ([math.inf, 0.2], [0, 1], [1, 1], "1 of 2 predictions are not finite"),
    ):
        found = measure(predictions, targets, groups)
        assert math.isnan(found.value)
        assert found.reason == reason


def test_ndcg_refuses_gains_that_make_no_sense() -> None:
    assert ndcg([0.1, 0.2], [-1, 1], [1, 1]).reason == "1 of 2 targets are negative"
    found = ndcg([0.1, 0.2], [5000, 1], [1, 1], gain="exponential")
    assert found.reason == "targets reach 5000, too large for the exponential gain"


def test_an_unknown_gain_is_refused() -> None:
    words = "`gain` is 'linear' or 'exponential', got 'square'"
    with pytest.raises(MetricInputError, match=words):
        ndcg([0.1], [1], [1], gain="square")  # type: ignore[arg-type]
    with pytest.raises(MetricInputError, match=words):
        NDCG(gain="square")  # type: ignore[arg-type]


@pytest.mark.parametrize("measure", MEASURES)
def test_lists_of_no_place_are_refused(measure: Callable[..., Value]) -> None:
    with pytest.raises(MetricInputError, match="`k` must be at least 1, got 0"):
        measure([0.1], [1], [1], k=0)


def test_a_metric_of_no_place_is_refused_at_once() -> None:
    with pytest.raises(MetricInputError, match="`k` must be at least 1, got 0"):
        MAP(k=0)
