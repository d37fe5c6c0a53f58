"""Intervals: DeLong's where it holds, else a bootstrap that covers the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from plait.metrics import delong_interval, delong_test, rmse
from plait.studies.intervals import difference, interval
from plait.tasks import Binary, Regression
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
    found = interval(Binary("click"), rows(GOOD, LABELS), clusters=None, seed=0)
    assert found == delong_interval(GOOD, LABELS) or math.isnan(found.p_value)
    assert found[:4] == delong_interval(GOOD, LABELS)[:4]


def test_two_aucs_are_compared_on_the_same_rows() -> None:
    found = difference(Binary("click"), rows(GOOD, LABELS), POOR, clusters=None, seed=0)
    assert found == delong_test(GOOD, POOR, LABELS)


def test_weighted_rows_have_a_bootstrap_interval() -> None:
    found = interval(
        Binary("click"), rows(GOOD, LABELS, np.ones(400)), clusters=None, seed=0, num_resamples=400
    )
    closed = delong_interval(GOOD, LABELS)
    assert found.value == pytest.approx(closed.value)
    assert (found.low, found.high) == pytest.approx((closed.low, closed.high), abs=0.02)


def test_an_error_has_a_bootstrap_interval_around_it_and_no_test() -> None:
    targets = RNG.normal(size=300)
    predictions = (targets + RNG.normal(0, 0.5, 300)).astype(np.float32)
    judged = rows(predictions, targets)
    found = interval(Regression("stars"), judged, clusters=None, seed=0)
    assert found.value == pytest.approx(rmse(predictions, targets).value)
    assert found.low < found.value < found.high
    assert (found.low, found.high) == pytest.approx((0.46, 0.54), abs=0.03)  # 0.5 (1 ± 1.96/√600)
    assert math.isnan(found.p_value)


def test_the_seed_decides_the_resamples() -> None:
    judged = rows(GOOD, RNG.normal(size=400))
    first, again, other = (
        interval(Regression("stars"), judged, clusters=None, seed=seed) for seed in (1, 1, 2)
    )
    assert first[:5] == again[:5]
    assert first.low != other.low


def test_users_of_many_alike_rows_widen_the_interval() -> None:
    targets = np.repeat(RNG.normal(size=30), 20)
    judged = rows(np.zeros(600), targets)
    alone = interval(Regression("stars"), judged, clusters=None, seed=0)
    grouped = interval(Regression("stars"), judged, clusters=np.repeat(np.arange(30), 20), seed=0)
    assert grouped.high - grouped.low > 2 * (alone.high - alone.low)
