from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from tests.unit.metrics.examples import Example, binary_rows

from plait.metrics import auc, delong_interval, delong_test


def _components(p: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    wins = np.array(
        [[1.0 if a > b else 0.5 if a == b else 0.0 for b in p[y == 0]] for a in p[y == 1]]
    )
    return wins.mean(axis=1), wins.mean(axis=0)


def _brute_covariance(first: np.ndarray, second: np.ndarray, y: np.ndarray) -> float:
    (v1, w1), (v2, w2) = _components(first, y), _components(second, y)
    return float(np.cov(v1, v2)[0, 1] / len(v1) + np.cov(w1, w2)[0, 1] / len(w1))


@settings(max_examples=50, deadline=None)
@given(binary_rows())
def test_both_are_the_structural_components_counted_one_by_one(rows: Example) -> None:
    first, y = rows.predictions, rows.targets
    y = np.concatenate([y, [0.0, 1.0]])
    first = np.concatenate([first, [0.3, 0.4]])
    second = np.random.default_rng(0).integers(0, 5, len(y)) / 5
    one = delong_interval(first, y)
    assert one.value == pytest.approx(auc(first, y).value, abs=1e-12)
    variance = _brute_covariance(first, first, y)
    assert one.standard_error == pytest.approx(math.sqrt(max(variance, 0)), abs=1e-9)
    both = delong_test(first, second, y)
    assert both.value == pytest.approx(auc(first, y).value - auc(second, y).value, abs=1e-12)
    variance += _brute_covariance(second, second, y) - 2 * _brute_covariance(first, second, y)
    assert both.standard_error == pytest.approx(math.sqrt(max(variance, 0)), abs=1e-7)


def test_a_case_worked_by_hand() -> None:
    # Positives .35 and .8 beat the negatives .1 and .4 in shares 1/2 and 1, the negatives are
    # beaten in shares 1 and 1/2: both variances are 1/8, over 2 rows each.
    found = delong_interval([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], confidence=0.5)
    assert found.value == 0.75
    assert found.standard_error == pytest.approx(math.sqrt(1 / 8))
    reach = NormalDist().inv_cdf(0.75) * math.sqrt(1 / 8)
    assert (found.low, found.high) == pytest.approx((0.75 - reach, 0.75 + reach))
    assert math.isnan(found.p_value)


def test_the_difference_worked_by_hand() -> None:
    # Against a constant score, whose shares are all 1/2 and have no variance.
    found = delong_test([0.1, 0.4, 0.35, 0.8], [0.5] * 4, [0, 0, 1, 1])
    z = 0.25 / math.sqrt(1 / 8)
    assert found.value == 0.25
    assert found.p_value == pytest.approx(2 * (1 - NormalDist().cdf(z)))


def test_a_model_does_not_differ_from_itself() -> None:
    found = delong_test([0.1, 0.4, 0.35, 0.8], [1, 4, 3.5, 8], [0, 0, 1, 1])
    assert (found.value, found.standard_error, found.p_value) == (0.0, 0.0, 1.0)


def test_perfect_scores_have_an_interval_of_no_width() -> None:
    found = delong_interval([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1])
    assert (found.value, found.low, found.high, found.reason) == (1.0, 1.0, 1.0, "")
    found = delong_test([0.1, 0.2, 0.8, 0.9], [0.9, 0.8, 0.2, 0.1], [0, 0, 1, 1])
    assert found.reason == "the standard error is zero: no test can be made"


@pytest.mark.parametrize(
    ("first", "targets", "reason"),
    [
        ([], [], "there are no rows"),
        ([0.1, 0.2, 0.3], [1, 0, 0], "a variance needs 2 rows of each class, got 1 positive and 2"),
        ([0.1, math.nan], [1, 0], "1 of 2 predictions are not finite"),
        ([0.1, 0.2], [1, 0.5], "1 of 2 targets are neither 0 nor 1"),
    ],
)
def test_what_cannot_be_computed_is_nan_with_its_reason(
    first: list[float], targets: list[float], reason: str
) -> None:
    second = np.zeros(len(first))
    for found in (delong_interval(first, targets), delong_test(second, first, targets)):
        assert math.isnan(found.value)
        assert reason in found.reason


def test_the_test_raises_false_alarms_as_often_as_it_says() -> None:
    generator = np.random.default_rng(0)
    rejected = []
    for _ in range(400):
        targets = generator.random(200) < 0.3
        signal = targets + generator.normal(size=200)
        first = signal + generator.normal(size=200)
        second = signal + generator.normal(size=200)
        rejected.append(delong_test(first, second, targets).p_value < 0.05)
    assert 0.02 <= np.mean(rejected) <= 0.09
