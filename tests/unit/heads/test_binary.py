from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize
from scipy.stats import bernoulli
from torch.testing import assert_close

from plait.errors import TaskError
from plait.heads import BinaryHead, Rows, TargetFacts
from plait.tasks import Binary

ROWS = Rows()


def facts_of(labels: list[float], weights: list[float] | None = None) -> TargetFacts:
    return TargetFacts(np.array(labels), np.array(weights or [1.0] * len(labels)))


def test_loss_is_the_negative_log_likelihood() -> None:
    logits, labels = np.array([-3.0, -0.5, 0.0, 2.0]), np.array([1.0, 0.0, 1.0, 0.0])
    loss = BinaryHead(Binary("click")).loss(
        torch.from_numpy(logits).reshape(-1, 1), torch.from_numpy(labels), ROWS
    )
    expected = -bernoulli.logpmf(labels, 1 / (1 + np.exp(-logits)))
    np.testing.assert_allclose(loss.numpy(), expected, rtol=1e-12)


def test_case_73_loss_equals_a_hand_computation_on_four_rows() -> None:
    logits = torch.tensor([[math.log(3.0)], [math.log(3.0)], [0.0], [0.0]])
    labels = torch.tensor([1.0, 0.0, 1.0, 0.25])
    loss = BinaryHead(Binary("click")).loss(logits, labels, ROWS)
    by_hand = [-math.log(0.75), -math.log(0.25), -math.log(0.5), -math.log(0.5)]
    assert_close(loss, torch.tensor(by_hand))


def test_focal_and_weighted_loss_equals_its_formula() -> None:
    head = BinaryHead(Binary("click", positive_weight=3.0, focal_gamma=2.0))
    loss = head.loss(torch.tensor([[math.log(4.0)]] * 2), torch.tensor([1.0, 0.0]), ROWS)
    assert_close(loss, torch.tensor([-3 * 0.2**2 * math.log(0.8), -(0.8**2) * math.log(0.2)]))


def test_a_focal_exponent_of_zero_is_the_cross_entropy() -> None:
    logits, labels = torch.linspace(-4, 4, 9).reshape(-1, 1), torch.arange(9.0) % 2
    plain, focal = BinaryHead(Binary("click")), BinaryHead(Binary("click", focal_gamma=0.0))
    assert_close(focal.loss(logits, labels, ROWS), plain.loss(logits, labels, ROWS))
    assert_close(focal.predict(logits, ROWS), plain.predict(logits, ROWS))


@settings(max_examples=60)
@given(
    chance=st.floats(0.001, 0.999),
    weight=st.floats(0.05, 50.0),
    gamma=st.floats(0.0, 5.0),
)
def test_case_87_predict_returns_the_chance_that_the_minimiser_of_the_loss_stands_for(
    chance: float, weight: float, gamma: float
) -> None:
    def slope(logit: float) -> float:
        """Derivative of the expected loss, transcribed from the formula of the focal loss."""
        yes, no = 1 / (1 + math.exp(-logit)), 1 / (1 + math.exp(logit))
        return weight * chance * math.pow(no, gamma) * (gamma * yes * math.log(yes) - no) + (
            1 - chance
        ) * math.pow(yes, gamma) * (yes - gamma * no * math.log(no))

    minimiser = optimize.brentq(slope, -60.0, 60.0, xtol=1e-13)
    head = BinaryHead(Binary("click", positive_weight=weight, focal_gamma=gamma))
    got = head.predict(torch.tensor([[minimiser]], dtype=torch.float64), ROWS)
    assert got.item() == pytest.approx(chance, abs=1e-6)


@given(chance=st.floats(0.01, 0.99), gamma=st.floats(0.5, 4.0))
def test_focal_predictions_follow_the_published_map(chance: float, gamma: float) -> None:
    def h(v: float) -> float:
        return v / (math.pow(1 - v, gamma) - gamma * math.pow(1 - v, gamma - 1) * v * math.log(v))

    head = BinaryHead(Binary("click", focal_gamma=gamma))
    logit = torch.logit(torch.tensor([[chance]], dtype=torch.float64))
    expected = h(chance) / (h(chance) + h(1 - chance))
    assert head.predict(logit, ROWS).item() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("weight", [None, 0.2, 9.0])
@pytest.mark.parametrize("gamma", [None, 0.5, 2.0])
@pytest.mark.parametrize("positives", [1, 30, 99])
def test_an_untrained_head_predicts_the_base_rate(
    weight: float | None, gamma: float | None, positives: int
) -> None:
    head = BinaryHead(Binary("click", positive_weight=weight, focal_gamma=gamma))
    head.fit(facts_of([1.0] * positives + [0.0] * (100 - positives)))
    assert head.predict(head.initial_bias().reshape(1, 1), ROWS).item() == pytest.approx(
        positives / 100, rel=1e-5
    )


def test_a_base_rate_is_weighted() -> None:
    head = BinaryHead(Binary("click"))
    head.fit(facts_of([1.0, 0.0, 0.0, 0.0], [3.0, 1.0, 1.0, 1.0]))
    assert_close(head.base_rate, torch.tensor(0.5))


def test_a_base_rate_too_near_zero_for_its_rows_stays_finite() -> None:
    head = BinaryHead(Binary("click"))
    head.fit(facts_of([1.0, 0.0], [1e-12, 1.0]))
    assert_close(head.initial_bias(), torch.tensor([math.log(1 / 3)]))


def test_predictions_grow_with_the_logit_at_any_focal_exponent() -> None:
    logits = torch.linspace(-60, 60, 4001, dtype=torch.float64).reshape(-1, 1)
    for gamma in (0.1, 0.5, 1.0, 2.0, 5.0):
        odds = BinaryHead(Binary("click", focal_gamma=gamma)).log_odds(logits)
        assert (odds.diff() > 0).all()


def test_case_22_a_label_outside_the_kind_is_named() -> None:
    message = r"'click' \(binary\): 2 of 4 rows hold a bad label, for example 2; expected 0 or 1"
    with pytest.raises(TaskError, match=message) as error:
        BinaryHead(Binary("click")).fit(facts_of([0.0, 1.0, 2.0, 5.0]))
    assert "as a condition" in str(error.value)


def test_more_successes_than_trials_are_refused() -> None:
    head = BinaryHead(Binary("click", trials="shown"))
    with pytest.raises(TaskError, match=r"example 1.5; .* must not exceed `trials` \('shown'\)"):
        head.fit(facts_of([0.0, 0.3, 1.5]))


def test_one_class_only_is_refused() -> None:
    with pytest.raises(TaskError, match=r"all 3 training rows .* same label, 1, .* drop the task"):
        BinaryHead(Binary("click")).fit(facts_of([1.0, 1.0, 1.0]))


def test_rows_without_weight_do_not_count_as_a_class() -> None:
    with pytest.raises(TaskError, match="all 2 training rows that count have the same label, 0"):
        BinaryHead(Binary("click")).fit(facts_of([1.0, 0.0, 0.0], [0.0, 1.0, 1.0]))


@pytest.mark.parametrize(
    ("chances", "told"),
    [
        ([0.5, 1.5], "1 of 2 rows hold a bad propensity, for example 1.5"),
        ([-0.1, 0.5], "1 of 2 rows hold a bad propensity, for example -0.1"),
        ([0.5, math.nan], "1 of 2 rows hold a bad propensity, for example nan"),
        ([0.0, 0.5], "1 of 2 rows hold a bad propensity, for example 0"),
    ],
)
def test_propensities_that_are_no_chances_are_refused(chances: list[float], told: str) -> None:
    head = BinaryHead(Binary("click", propensity="drawn"))
    facts = TargetFacts(np.array([1.0, 0.0]), np.ones(2), {"propensity": np.array(chances)})
    with pytest.raises(TaskError, match=rf"{told}; .*above 0 where the label is 1.*'drawn'"):
        head.check(facts)


def test_a_chance_of_nought_or_one_may_be_right() -> None:
    facts = TargetFacts(np.array([1.0, 0.0]), np.ones(2), {"propensity": np.array([1.0, 0.0])})
    BinaryHead(Binary("click", propensity="drawn")).check(facts)
