from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from scipy.stats import kendalltau
from tests.unit.metrics.examples import Example, binary_rows, duplicated, number_rows

from plait.metrics import Value, auc, normalised_gini, xauc

FEW = settings(max_examples=60, deadline=None)


def _brute_xauc(rows: Example) -> float:
    won = total = 0.0
    for i in range(len(rows.targets)):
        for j in range(i):
            if rows.targets[i] == rows.targets[j]:
                continue
            weight = rows.weights[i] * rows.weights[j]
            direction = (rows.targets[i] - rows.targets[j]) * (
                rows.predictions[i] - rows.predictions[j]
            )
            won += weight * (1.0 if direction > 0 else 0.5 if direction == 0 else 0.0)
            total += weight
    return won / total


@FEW
@given(number_rows())
def test_xauc_is_the_share_of_pairs_counted_one_by_one(rows: Example) -> None:
    found = xauc(rows.predictions, rows.targets, weights=rows.weights)
    assert found.value == pytest.approx(_brute_xauc(rows), abs=1e-12)


def test_xauc_without_ties_is_kendalls_tau() -> None:
    generator = np.random.default_rng(0)
    y = generator.permutation(1000)
    p = y + generator.normal(scale=400, size=1000)
    expected = (kendalltau(p, y).statistic + 1) / 2
    assert xauc(p, y).value == pytest.approx(expected, abs=1e-12)


@FEW
@given(binary_rows())
def test_on_zeros_and_ones_both_are_auc(rows: Example) -> None:
    expected = auc(rows.predictions, rows.targets, weights=rows.weights).value
    found = xauc(rows.predictions, rows.targets, weights=rows.weights).value
    assert found == pytest.approx(expected, abs=1e-12)
    gini = normalised_gini(rows.predictions, rows.targets, weights=rows.weights).value
    assert gini == pytest.approx(2 * expected - 1, abs=1e-9)


@FEW
@given(number_rows())
def test_weight_two_is_a_duplicated_row(rows: Example) -> None:
    twice = duplicated(rows)
    for measure in (xauc, normalised_gini):
        one = measure(rows.predictions, rows.targets, weights=rows.weights)
        assert one.value == pytest.approx(measure(twice.predictions, twice.targets).value, abs=1e-9)


def test_gini_is_the_sum_of_captured_shares() -> None:
    values = np.array([10.0, 0.0, 5.0, 1.0])
    scores = np.array([4.0, 3.0, 2.0, 1.0])

    def literal(order: list[int]) -> float:
        captured = np.cumsum(values[order]) / values.sum()
        return float(captured.sum() - (len(values) + 1) / 2) / len(values)

    expected = literal([0, 1, 2, 3]) / literal([0, 2, 3, 1])
    assert normalised_gini(scores, values).value == pytest.approx(expected)


def test_a_perfect_order_is_one_and_its_reverse_minus_one() -> None:
    values = [0.0, 1.0, 5.0, 30.0]
    for measure, worst in ((normalised_gini, -1.0), (xauc, 0.0)):
        assert measure(values, values).value == pytest.approx(1.0)
        assert measure([-value for value in values], values).value == pytest.approx(worst)


@pytest.mark.parametrize("measure", [xauc, normalised_gini])
def test_what_cannot_be_computed_is_nan_with_its_reason(measure: Callable[..., Value]) -> None:
    for predictions, targets, reason in (
        ([], [], "there are no rows"),
        ([1.0, 2.0], [3.0, 3.0], "all 2 targets are the same"),
        ([math.nan, 2.0], [3.0, 4.0], "1 of 2 predictions are not finite"),
    ):
        found = measure(predictions, targets)
        assert math.isnan(found.value)
        assert found.reason == reason


def test_gini_refuses_negative_values() -> None:
    assert normalised_gini([1.0, 2.0], [-1.0, 2.0]).reason == "1 of 2 targets are negative"
