from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from plait.errors import MetricInputError
from plait.metrics import holm, mean_interval, paired_difference


def test_the_interval_of_a_mean_is_students() -> None:
    values = [0.71, 0.74, 0.70, 0.73, 0.75]
    found = mean_interval(values, confidence=0.9)
    error = stats.sem(values)
    low, high = stats.t.interval(0.9, df=4, loc=np.mean(values), scale=error)
    assert found[:4] == pytest.approx((np.mean(values), error, low, high))
    assert found.n == 5
    assert found.reason == ""


def test_a_paired_difference_is_the_paired_t_test() -> None:
    first, second = [0.71, 0.74, 0.70, 0.73], [0.70, 0.70, 0.71, 0.70]
    found = paired_difference(first, second)
    expected = stats.ttest_rel(first, second)
    interval = expected.confidence_interval(0.95)
    assert found.p_value == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_one_value_has_a_mean_and_no_interval() -> None:
    found = mean_interval([0.7])
    assert found.value == 0.7
    assert math.isnan(found.low)
    assert found.reason == "an interval needs 2 values, got 1"
    assert math.isnan(mean_interval([]).value)


def test_values_that_are_not_known_are_counted() -> None:
    assert mean_interval([0.7, math.nan]).reason == "1 of 2 values are not finite"
    found = paired_difference([0.7, math.inf], [0.6, math.inf])
    assert found.reason == "1 of 2 values are not finite"
    assert math.isnan(found.p_value)


def test_no_difference_at_all_has_a_p_value_of_one() -> None:
    assert paired_difference([0.7, 0.8], [0.7, 0.8]).p_value == 1.0


def test_a_difference_without_spread_cannot_be_tested() -> None:
    found = paired_difference([2.0, 3.0], [1.0, 2.0])
    assert found.value == 1.0
    assert math.isnan(found.p_value)
    assert found.reason == "the standard error is zero: no test can be made"


def test_t_intervals_cover_what_they_promise() -> None:
    generator = np.random.default_rng(0)
    covered = [
        found.low <= 0 <= found.high
        for found in (mean_interval(generator.normal(size=5)) for _ in range(600))
    ]
    assert 0.92 <= np.mean(covered) <= 0.98


def test_holm_steps_down() -> None:
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.9, 0.6]), [1.0, 1.0])
    assert holm([]).shape == (0,)


def test_holm_leaves_tests_out_that_were_not_made() -> None:
    np.testing.assert_allclose(holm([0.01, math.nan, 0.5]), [0.02, math.nan, 0.5])


@pytest.mark.parametrize("values", [[0.5, 1.5], [-0.1], [[0.1]]])
def test_holm_takes_p_values(values: list[float]) -> None:
    with pytest.raises(MetricInputError, match=r"`p_values` must be of shape \[n\] and lie"):
        holm(values)


def test_shapes_that_do_not_fit_are_named() -> None:
    with pytest.raises(MetricInputError, match=r"`values` must be of shape \[n\], got \(1, 1\)"):
        mean_interval([[0.1]])
    with pytest.raises(MetricInputError, match=r"`first` has shape \(1,\) and `second` \(2,\)"):
        paired_difference([0.1], [0.1, 0.2])


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0])
def test_a_confidence_in_percent_is_refused(confidence: float) -> None:
    with pytest.raises(MetricInputError, match="`confidence` must lie between 0 and 1, such as"):
        mean_interval([0.1, 0.2], confidence=confidence)
