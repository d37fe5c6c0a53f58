"""Intervals: DeLong's where it holds, else a bootstrap that covers the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from plait.metrics import Metric, delong_interval, delong_test, paired_bootstrap, rmse
from plait.studies import intervals
from plait.studies.intervals import Sample
from plait.tasks import Binary, Regression, Task
from plait.training.judging import JudgedRows

RNG = np.random.default_rng(0)
LABELS = (RNG.random(400) < 0.3).astype(np.float64)
GOOD = (LABELS + RNG.normal(0, 1, 400)).astype(np.float32)
POOR = RNG.normal(0, 1, 400).astype(np.float32)


def rows(
    predictions: np.ndarray, targets: np.ndarray, weights: np.ndarray | None = None
) -> JudgedRows:
    return JudgedRows(predictions.astype(np.float32), targets, weights, None)


def test_an_auc_has_delongs_interval() -> None:
    found = Sample(Binary("click"), rows(GOOD, LABELS), None, 0).interval()
    assert found == delong_interval(GOOD, LABELS) or math.isnan(found.p_value)
    assert found[:4] == delong_interval(GOOD, LABELS)[:4]


def test_two_aucs_are_compared_on_the_same_rows() -> None:
    good, poor = (Sample(Binary("click"), rows(p, LABELS), None, 0) for p in (GOOD, POOR))
    found = good.minus(poor)
    assert found == delong_test(GOOD, POOR, LABELS)


def test_weighted_rows_have_a_bootstrap_interval() -> None:
    weighted = rows(GOOD, LABELS, np.ones(400))
    found = Sample(Binary("click"), weighted, None, 0, num_resamples=400).interval()
    closed = delong_interval(GOOD, LABELS)
    assert found.value == pytest.approx(closed.value)
    assert (found.low, found.high) == pytest.approx((closed.low, closed.high), abs=0.02)


def test_an_error_has_a_bootstrap_interval_around_it_and_no_test() -> None:
    targets = RNG.normal(size=300)
    predictions = (targets + RNG.normal(0, 0.5, 300)).astype(np.float32)
    judged = rows(predictions, targets)
    found = Sample(Regression("stars"), judged, None, 0).interval()
    assert found.value == pytest.approx(rmse(predictions, targets).value)
    assert found.low < found.value < found.high
    assert (found.low, found.high) == pytest.approx((0.46, 0.54), abs=0.03)  # 0.5 (1 ± 1.96/√600)
    assert math.isnan(found.p_value)


def test_the_seed_decides_the_resamples() -> None:
    judged = rows(GOOD, RNG.normal(size=400))
    first, again, other = (
        Sample(Regression("stars"), judged, None, seed).interval() for seed in (1, 1, 2)
    )
    assert first[:5] == again[:5]
    assert first.low != other.low


def test_users_of_many_alike_rows_widen_the_interval() -> None:
    targets = np.repeat(RNG.normal(size=30), 20)
    judged = rows(np.zeros(600), targets)
    alone = Sample(Regression("stars"), judged, None, 0).interval()
    grouped = Sample(Regression("stars"), judged, np.repeat(np.arange(30), 20), 0).interval()
    assert grouped.high - grouped.low > 2 * (alone.high - alone.low)


def test_two_models_are_compared_as_by_the_paired_bootstrap_and_each_is_measured_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    targets = RNG.normal(size=300)
    first, second = (targets + RNG.normal(0, scale, 300) for scale in (0.5, 0.6))
    users = RNG.integers(40, size=300)
    measured: list[int] = []
    plain = intervals.primary_metric

    def counted(task: Task) -> Metric:
        measured.append(1)
        return plain(task)

    one, two = (
        Sample(Regression("stars"), rows(p, targets), users, 3, num_resamples=50)
        for p in (first, second)
    )
    assert not one.has_closed_form
    monkeypatch.setattr(intervals.Sample, "has_closed_form", False)
    monkeypatch.setattr(intervals, "primary_metric", counted)
    expected = paired_bootstrap(
        rmse,
        one.judged.predictions,
        two.judged.predictions,
        targets,
        generator=np.random.default_rng(3),
        clusters=users,
        num_resamples=50,
    )
    found = one.minus(two)
    assert found.value == pytest.approx(expected.value, rel=1e-12)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-12)
    assert found.p_value == expected.p_value
    one.interval()
    two.interval()
    assert len(measured) == 2 * 51
