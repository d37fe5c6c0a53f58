"""Noise: rates, their inverse, Bayes' rule, and rates that are estimated."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from plait.errors import TaskError
from plait.methods.noise import as_classes, clean, confident_rates, posterior, transition
from plait.training import NoisyRates

RATE = st.floats(0.0, 0.45)
CHANCE = st.floats(0.001, 0.999)


def _column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


@given(CHANCE, RATE, RATE)
def test_the_inverse_gives_back_what_the_noise_was_put_on(
    p: float, missed: float, false: float
) -> None:
    rates = transition(_column(missed), _column(false), num_classes=2)
    recorded = false + (1 - missed - false) * p
    assert_close(clean(_column(1 - recorded, recorded)[None], rates)[0, 1], _column(p)[0])


@given(CHANCE, RATE, RATE)
def test_bayes_rule_for_two_classes_is_the_formula_of_the_docs(
    p: float, missed: float, false: float
) -> None:
    truth = as_classes(_column(p)[:, None])
    rates = transition(_column(missed), _column(false), num_classes=2)
    yes = (1 - missed) * p / ((1 - missed) * p + false * (1 - p))
    no = missed * p / (missed * p + (1 - false) * (1 - p))
    assert_close(posterior(truth, rates, torch.tensor([1]))[0, 1], _column(yes)[0])
    assert_close(posterior(truth, rates, torch.tensor([0]))[0, 1], _column(no)[0])


def test_three_classes_by_hand() -> None:
    rates = transition(_column(0.3), _column(0.0), num_classes=3)
    expected = [[0.7, 0.15, 0.15], [0.15, 0.7, 0.15], [0.15, 0.15, 0.7]]
    assert_close(rates[0], torch.tensor(expected, dtype=torch.float64))
    truth = _column(0.5, 0.3, 0.2)[None]
    assert_close(clean(truth @ rates[0], rates), truth)
    joint = [0.5 * 0.15, 0.3 * 0.7, 0.2 * 0.15]
    wanted = _column(*(part / sum(joint) for part in joint))
    assert_close(posterior(truth, rates, torch.tensor([1]))[0], wanted)


def test_what_the_noise_cannot_have_made_is_cut_to_the_nearest_sure_answer() -> None:
    rates = transition(_column(0.2, 0.2), _column(0.1, 0.1), num_classes=2)
    found = clean(as_classes(_column(0.05, 0.9)[:, None]), rates)
    assert_close(found[:, 1], _column(0.0, 1.0))


def test_rates_are_estimated_from_beliefs_that_were_not_learnt_on_the_labels() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(60_000) < 0.4
    recorded = np.where(truth, rng.random(60_000) >= 0.2, rng.random(60_000) < 0.1).astype(int)
    # Nearly sure beliefs in the recorded label: what an accurate network learns from such labels.
    yes = np.where(truth, 0.8, 0.1) + rng.normal(0, 0.02, 60_000)
    found = confident_rates(recorded, np.stack([1 - yes, yes], axis=1), task="buy")
    np.testing.assert_allclose(found, [[0.9, 0.1], [0.2, 0.8]], atol=0.01)


def test_a_class_that_is_never_recorded_says_so() -> None:
    with pytest.raises(TaskError, match=r"'buy': .*validation rows lack a class. Give `missed`"):
        confident_rates(np.zeros(5, np.int64), np.full((5, 2), 0.5), task="buy")


def test_rates_under_which_a_label_says_nothing_are_refused() -> None:
    with pytest.raises(TaskError, match=r"'buy': labels that are missed at 0.6 and false at 0.4"):
        NoisyRates(0.6, 0.4).check("buy", num_classes=2)
    by_row = NoisyRates(np.array([0.1, 0.92, 0.95], np.float32), 0.1)
    with pytest.raises(TaskError, match=r"missed at 0.92 and false at 0.1 on 2 rows"):
        by_row.check("buy", num_classes=2)
    NoisyRates(0.7, 0.0).check("answer", num_classes=10)
    with pytest.raises(TaskError, match="say nothing"):
        NoisyRates(0.7, 0.0).check("answer", num_classes=3)


def test_rates_by_row_are_those_of_the_rows() -> None:
    rates = NoisyRates(np.array([0.1, 0.2, 0.3], np.float32), 0.05)
    missed, false = rates.of(torch.tensor([2, 0]))
    assert_close(missed, torch.tensor([0.3, 0.1]))
    assert_close(false, torch.tensor([0.05, 0.05]))
    assert rates.told() == "missed at 0.200 and false at 0.050"
