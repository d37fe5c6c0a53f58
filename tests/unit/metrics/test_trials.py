from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from plait.errors import MetricInputError
from plait.metrics import Value, auc, brier, ece, expand_trials, gauc, log_loss, pcoc, pr_auc

PREDICTIONS = np.array([0.2, 0.9, 0.5, 0.2])
CLICKS = np.array([1, 2, 0, 3])
IMPRESSIONS = np.array([4, 2, 3, 5])
USERS = np.array(["a", "a", "b", "b"])


@pytest.mark.parametrize("measure", [auc, pr_auc, log_loss, brier, pcoc, ece])
def test_case_94_aggregated_rows_are_one_row_for_each_trial(measure: Callable[..., Value]) -> None:
    rows = expand_trials(PREDICTIONS, CLICKS / IMPRESSIONS, IMPRESSIONS)
    single = np.repeat(PREDICTIONS, IMPRESSIONS)
    targets = np.concatenate(
        [np.arange(n) < clicks for n, clicks in zip(IMPRESSIONS, CLICKS, strict=True)]
    )
    found = measure(rows.predictions, rows.targets, weights=rows.weights)
    assert found.value == pytest.approx(measure(single, targets).value)


def test_case_94_aggregated_rows_keep_their_groups() -> None:
    rows = expand_trials(PREDICTIONS, CLICKS / IMPRESSIONS, IMPRESSIONS, groups=USERS)
    assert rows.groups is not None
    found = gauc(rows.predictions, rows.targets, rows.groups, weights=rows.weights)
    single = np.repeat(PREDICTIONS, IMPRESSIONS)
    targets = np.concatenate(
        [np.arange(n) < clicks for n, clicks in zip(IMPRESSIONS, CLICKS, strict=True)]
    )
    expected = gauc(single, targets, np.repeat(USERS, IMPRESSIONS))
    assert found.value == pytest.approx(expected.value)


def test_log_loss_of_rates_weighted_by_trials_is_the_same() -> None:
    rows = expand_trials(PREDICTIONS, CLICKS / IMPRESSIONS, IMPRESSIONS)
    direct = log_loss(PREDICTIONS, CLICKS / IMPRESSIONS, weights=IMPRESSIONS)
    found = log_loss(rows.predictions, rows.targets, weights=rows.weights)
    assert found.value == pytest.approx(direct.value)


def test_a_row_without_trials_may_have_no_rate() -> None:
    rows = expand_trials([0.1, 0.2], [math.nan, 0.5], [0, 2])
    np.testing.assert_array_equal(rows.weights, [0, 1, 0, 1])


def test_shapes_that_differ_are_named() -> None:
    with pytest.raises(MetricInputError, match=r"of one shape \[n\], got the shapes"):
        expand_trials([0.1, 0.2], [0.5], [1, 1])
    with pytest.raises(MetricInputError, match=r"of one shape \[n\], got the shapes"):
        expand_trials([0.1], [0.5], [1], groups=["a", "b"])


@pytest.mark.parametrize("rate", [-0.1, 3.0, math.nan])
def test_counts_where_rates_are_wanted_are_named(rate: float) -> None:
    with pytest.raises(MetricInputError, match="`success_rate` must lie between 0 and 1, got"):
        expand_trials([0.1], [rate], [5])


@pytest.mark.parametrize("trials", [-1.0, math.nan])
def test_trials_are_not_negative(trials: float) -> None:
    with pytest.raises(MetricInputError, match="`trials` must be finite and not below 0, got"):
        expand_trials([0.1], [0.5], [trials])
