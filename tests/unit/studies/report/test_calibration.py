"""Calibration bins: equal mass, means of what is in them, never too few rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plait.metrics import ece
from plait.studies.opened import OpenedRun
from plait.studies.report.calibration import calibration_bins, calibration_curve
from plait.training.judging import JudgedRows


@settings(max_examples=25)
@given(st.integers(0, 1000), st.integers(2, 12))
def test_the_gaps_of_the_bins_are_those_of_the_calibration_error(seed: int, bins: int) -> None:
    rng = np.random.default_rng(seed)
    predictions = rng.choice(np.linspace(0, 1, 23), 150).astype(np.float32)
    targets = (rng.random(150) < 0.4).astype(np.float64)
    found = calibration_bins(JudgedRows(predictions, targets, None, None), num_bins=bins)
    total = sum(bin_.n * abs(bin_.predicted - bin_.actual) for bin_ in found) / 150
    assert sum(bin_.n for bin_ in found) == 150
    assert total == pytest.approx(ece(predictions, targets, num_bins=bins).value, abs=1e-6)


def test_rows_of_weight_zero_are_absent() -> None:
    rows = JudgedRows(
        np.array([0.1, 0.2, 0.9], np.float32),
        np.array([0.0, 1.0, 1.0]),
        np.array([1.0, 0.0, 3.0]),
        None,
    )
    found = calibration_bins(rows, num_bins=1)
    assert [bin_.n for bin_ in found] == [2]
    assert found[0].predicted == pytest.approx((0.1 + 3 * 0.9) / 4)
    assert found[0].actual == pytest.approx(0.75)
    assert found[0].error == pytest.approx(1.96 * np.sqrt(0.75 * 0.25 / 4))


def test_a_bin_never_holds_too_few_rows(run: OpenedRun) -> None:
    for least in (20, 50, 70, 90, 110):
        found = calibration_curve(run, "click", least_rows=least)
        assert 2 <= len(found.bins) <= 10
        assert min(bin_.n for bin_ in found.bins) >= least
        assert sum(bin_.n for bin_ in found.bins) == len(run.predictions["click"])
    few = calibration_curve(run, "click", least_rows=300)
    assert (few.bins, few.reason) == ((), "fewer than 2 bins of 300 rows")


def test_classes_have_no_curve(run: OpenedRun) -> None:
    assert "no amounts" in calibration_curve(run, "mood", least_rows=20).reason
