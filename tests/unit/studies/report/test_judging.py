"""Judgements: the run's own numbers with intervals, comparisons turned so that more is better."""

from __future__ import annotations

import math

import pytest

from plait.metrics import Estimate, delong_interval, rmse
from plait.studies.opened import OpenedRun
from plait.studies.report.judging import Comparison, judge
from plait.training.judging import judged_rows


def test_the_value_is_the_runs_and_an_auc_has_delongs_interval(run: OpenedRun) -> None:
    found = judge(run, "click", baselines=(), least_rows=20, num_resamples=20, seed=0)
    rows = judged_rows(run.model, run.judged, "click", run.predictions["click"])
    wanted = delong_interval(rows.predictions, rows.targets)
    assert found.estimate.value == pytest.approx(run.metrics["click"]["auc"].value)
    assert found.estimate[:4] == wanted[:4]
    assert (found.n, found.method) == (400, "DeLong")


def test_a_gain_over_a_baseline_is_positive_where_errors_are_smaller(run: OpenedRun) -> None:
    found = judge(run, "stars", baselines=("constant",), least_rows=20, num_resamples=50, seed=0)
    (comparison,) = found.comparisons
    labels = run.judged.labels("stars")[run.judged.observed("stars")]
    train = run.train.labels("stars")[run.train.observed("stars")]
    constant = rmse([train.mean()] * len(labels), labels).value
    assert comparison.estimate.value == pytest.approx(constant, rel=1e-4)
    assert comparison.gain.value == pytest.approx(constant - found.estimate.value, rel=1e-3)
    assert comparison.gain.low <= comparison.gain.value <= comparison.gain.high
    assert found.method == "bootstrap over users, 50 resamples"


def test_a_baseline_that_cannot_be_says_why(run: OpenedRun) -> None:
    found = judge(
        run, "buy_given_click", baselines=("single_task",), least_rows=20, num_resamples=2, seed=0
    )
    (comparison,) = found.comparisons
    assert math.isnan(comparison.gain.value)
    assert "link adds" in comparison.reason


def test_too_few_rows_are_not_shown(run: OpenedRun) -> None:
    found = judge(run, "click", baselines=("constant",), least_rows=401, num_resamples=2, seed=0)
    assert math.isnan(found.estimate.value)
    assert found.estimate.reason == "fewer than 401 rows: not shown"
    assert (found.n, found.n_positive, found.comparisons) == (None, None, ())


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.1, 0.2, "better"), (-0.2, -0.1, "worse"), (-0.1, 0.1, "not told apart")],
)
def test_the_interval_decides_the_verdict(low: float, high: float, verdict: str) -> None:
    gain = Estimate((low + high) / 2, low=low, high=high)
    assert Comparison("constant", Estimate(0.5), gain).verdict == verdict


def test_without_an_interval_nothing_is_told_apart() -> None:
    assert Comparison("constant", Estimate(0.5), Estimate(0.1)).verdict == "not told apart"
