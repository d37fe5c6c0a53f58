from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from tests.unit.metrics.examples import Example, binary_rows, duplicated

from plait.errors import MetricInputError
from plait.metrics import (
    ECE,
    PCOC,
    Value,
    brier,
    ece,
    log_loss,
    log_loss_from_logits,
    normalised_entropy,
    pcoc,
)

FEW = settings(max_examples=60, deadline=None)


@FEW
@given(binary_rows())
def test_log_loss_and_brier_are_those_of_scikit_learn(rows: Example) -> None:
    p, y, w = rows.predictions, rows.targets, rows.weights
    clipped = np.clip(p, 1e-7, 1 - 1e-7)
    expected = sklearn.metrics.log_loss(y, clipped, sample_weight=w, labels=[0, 1])
    assert log_loss(p, y, weights=w).value == pytest.approx(expected, rel=1e-12)
    expected = sklearn.metrics.brier_score_loss(y, p, sample_weight=w)
    assert brier(p, y, weights=w).value == pytest.approx(expected, rel=1e-12)


@FEW
@given(binary_rows())
def test_weight_two_is_a_duplicated_row(rows: Example) -> None:
    twice = duplicated(rows)
    for measure in (log_loss, brier, normalised_entropy, pcoc, ece, log_loss_from_logits):
        one = measure(rows.predictions, rows.targets, weights=rows.weights)
        assert one.value == pytest.approx(measure(twice.predictions, twice.targets).value)


def test_logits_and_probabilities_give_one_log_loss() -> None:
    logits = np.linspace(-8, 8, 17)
    targets = np.arange(17) % 2
    expected = log_loss(1 / (1 + np.exp(-logits)), targets).value
    assert log_loss_from_logits(logits, targets).value == pytest.approx(expected, rel=1e-12)


def test_a_saturated_prediction_costs_no_more_than_the_clip() -> None:
    assert log_loss(np.array([1.0], dtype=np.float32), [0]).value == pytest.approx(-math.log(1e-7))


def test_log_loss_of_rates_is_their_cross_entropy() -> None:
    expected = -(0.25 * math.log(0.5) + 0.75 * math.log(0.5))
    assert log_loss([0.5], [0.25]).value == pytest.approx(expected)


def test_the_base_rate_has_a_normalised_entropy_of_one() -> None:
    targets = [0, 0, 0, 1, 1]
    assert normalised_entropy([0.4] * 5, targets).value == pytest.approx(1.0)
    assert normalised_entropy([0.2, 0.2, 0.2, 0.8, 0.8], targets).value < 1


def test_pcoc_is_the_predicted_over_the_actual_total() -> None:
    assert pcoc([0.4, 0.8, 0.6], [0, 1, 1], weights=[1, 2, 0]).value == pytest.approx(2.0 / 2)


def test_goodness_of_pcoc_is_best_at_one() -> None:
    metric = PCOC()
    goodness = [metric.goodness(Value(value)) for value in (1.0, 0.5, 2.0, 4.0, 0.0, math.nan)]
    assert goodness[0] == 0.0
    assert goodness[1] == pytest.approx(goodness[2])
    assert goodness[2] > goodness[3] > goodness[4] == goodness[5] == -math.inf


def test_ece_is_the_gap_of_bins_of_equal_mass() -> None:
    predictions = [0.001, 0.002, 0.003, 0.004]
    targets = [0, 0, 0, 1]
    by_hand = (abs(0.0015 - 0) * 2 + abs(0.0035 - 0.5) * 2) / 4
    assert ece(predictions, targets, num_bins=2).value == pytest.approx(by_hand)


def test_ece_does_not_depend_on_the_order_of_tied_rows() -> None:
    predictions, targets = np.full(30, 0.5), np.repeat([0, 1], 15)
    assert ece(predictions, targets).value == pytest.approx(0.0)


def test_more_than_one_bin_lowers_no_ece() -> None:
    generator = np.random.default_rng(0)
    p, y = generator.random(500), generator.integers(0, 2, 500)
    assert ece(p, y, num_bins=1).value == pytest.approx(abs(p.mean() - y.mean()))
    assert ece(p, y, num_bins=15).value >= ece(p, y, num_bins=1).value


@pytest.mark.parametrize(
    ("measure", "targets", "reason"),
    [
        (normalised_entropy, [1, 1], "all rows are of one class: their entropy is zero"),
        (normalised_entropy, [0, 0], "all rows are of one class: their entropy is zero"),
        (pcoc, [0, 0], "there are no positive rows"),
        (pcoc, [-1, 1], "1 of 2 targets are negative"),
        (log_loss, [2, 1], "1 of 2 targets lie outside 0 to 1"),
        (brier, [0.5, 1], "1 of 2 targets are neither 0 nor 1"),
        (ece, [0, -3], "1 of 2 targets lie outside 0 to 1"),
    ],
)
def test_what_cannot_be_computed_is_nan_with_its_reason(
    measure: Callable[..., Value], targets: list[float], reason: str
) -> None:
    found = measure([0.2, 0.3], targets)
    assert math.isnan(found.value)
    assert reason in found.reason


@pytest.mark.parametrize("measure", [log_loss, normalised_entropy, brier, ece])
def test_logits_where_probabilities_are_wanted_are_named(measure: Callable[..., Value]) -> None:
    found = measure([-2.0, 0.5, 3.0], [0, 1, 1])
    assert math.isnan(found.value)
    assert "2 of 3 predictions lie outside 0 to 1: this metric reads probabilities" in found.reason


@pytest.mark.parametrize("measure", [log_loss, normalised_entropy, brier, ece, pcoc])
def test_no_rows_and_no_finite_rows_have_their_reasons(measure: Callable[..., Value]) -> None:
    assert measure([], []).reason == "there are no rows"
    found = measure([math.nan, 0.5], [1, 0])
    assert found.reason == "1 of 2 predictions are not finite"


def test_sums_that_overflow_are_said() -> None:
    assert "too large for 64 bit numbers" in pcoc([1e308] * 4, [1] * 4).reason


def test_ece_needs_a_bin() -> None:
    with pytest.raises(MetricInputError, match="`num_bins` must be at least 1, got 0"):
        ece([0.1], [1], num_bins=0)
    with pytest.raises(MetricInputError, match="`num_bins` must be at least 1, got 0"):
        ECE(num_bins=0)
