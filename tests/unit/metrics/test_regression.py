from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from tests.unit.metrics.examples import Example, duplicated, number_rows

from plait.metrics import R2, Value, mae, poisson_deviance, r2, rmse

FEW = settings(max_examples=60, deadline=None)


@FEW
@given(number_rows())
def test_all_are_those_of_scikit_learn(rows: Example) -> None:
    p, y, w = rows.predictions, rows.targets, rows.weights
    for ours, theirs in (
        (rmse, sklearn.metrics.root_mean_squared_error),
        (mae, sklearn.metrics.mean_absolute_error),
        (r2, sklearn.metrics.r2_score),
        (poisson_deviance, sklearn.metrics.mean_poisson_deviance),
    ):
        expected = theirs(y, p, sample_weight=w)
        assert ours(p, y, weights=w).value == pytest.approx(expected, rel=1e-9, abs=1e-12)


@FEW
@given(number_rows())
def test_weight_two_is_a_duplicated_row(rows: Example) -> None:
    twice = duplicated(rows)
    for measure in (rmse, mae, r2, poisson_deviance):
        one = measure(rows.predictions, rows.targets, weights=rows.weights)
        assert one.value == pytest.approx(measure(twice.predictions, twice.targets).value)


@pytest.mark.parametrize("offset", [0.0, 1e9])
def test_r2_in_batches_keeps_its_digits_far_from_zero(offset: float) -> None:
    generator = np.random.default_rng(0)
    y = generator.normal(size=300) + offset
    p = y + generator.normal(scale=0.5, size=300)
    metric = R2()
    for part in np.array_split(np.arange(300), 7):
        metric.update(p[part], y[part])
    expected = sklearn.metrics.r2_score(y, p)
    assert metric.compute().value == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("measure", [rmse, mae, r2, poisson_deviance])
def test_no_rows_and_values_not_finite_have_their_reasons(measure: Callable[..., Value]) -> None:
    assert measure([], []).reason == "there are no rows"
    found = measure([math.nan, 1.0], [1.0, math.inf])
    assert math.isnan(found.value)
    assert found.reason == ("1 of 2 predictions are not finite; 1 of 2 targets are not finite")


def test_constant_targets_have_no_r2() -> None:
    found = r2([1.0, 2.0], [3.0, 3.0])
    assert math.isnan(found.value)
    assert found.reason == "the targets are all the same"


def test_deviance_needs_positive_predictions_and_counts() -> None:
    assert "1 of 2 predictions are not above 0" in poisson_deviance([0.0, 1.0], [0, 1]).reason
    assert "1 of 2 targets are negative" in poisson_deviance([1.0, 1.0], [-1, 1]).reason


@pytest.mark.parametrize("measure", [rmse, r2])
def test_squares_that_overflow_are_said_and_not_warned_of(measure: Callable[..., Value]) -> None:
    found = measure([1e200, 1.0], [1.0, 2.0])
    assert math.isnan(found.value)
    assert "64 bit numbers" in found.reason
