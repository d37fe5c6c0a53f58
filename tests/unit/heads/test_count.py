from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import gammaln
from scipy.stats import poisson
from torch.testing import assert_close

from plait.errors import TaskError
from plait.heads import CountHead, Rows, TargetFacts
from plait.tasks import Count

PLAIN, EXPOSED = Count("visits"), Count("visits", exposure="days")


def test_loss_is_the_poisson_log_likelihood_without_the_factorial() -> None:
    log_rate, days = np.array([-1.0, 0.2, 2.0, 3.0]), np.array([0.5, 1.0, 7.0, 30.0])
    labels = np.array([0.0, 3.0, 40.0, 512.0])
    loss = CountHead(EXPOSED).loss(
        torch.from_numpy(log_rate).reshape(-1, 1),
        torch.from_numpy(labels),
        Rows(extras={"exposure": torch.from_numpy(days)}),
    )
    expected = -poisson.logpmf(labels, days * np.exp(log_rate)) - gammaln(labels + 1)
    np.testing.assert_allclose(loss.numpy(), expected, rtol=1e-10)


def test_loss_is_least_at_the_true_rate() -> None:
    log_rate = torch.tensor([[math.log(5.0)]], dtype=torch.float64, requires_grad=True)
    loss = CountHead(PLAIN).loss(log_rate, torch.tensor([5.0], dtype=torch.float64), Rows())
    (slope,) = torch.autograd.grad(loss.sum(), log_rate)
    assert_close(slope, torch.zeros_like(slope))


def test_beyond_its_bound_the_loss_goes_on_as_the_tangent() -> None:
    log_rate = torch.tensor([[30.0], [31.0], [90.0]], requires_grad=True)
    loss = CountHead(PLAIN).loss(log_rate, torch.zeros(3), Rows())
    (slope,) = torch.autograd.grad(loss.sum(), log_rate)
    assert_close(loss / math.exp(30), torch.tensor([1.0, 2.0, 61.0]))
    assert_close(slope.squeeze(-1) / math.exp(30), torch.ones(3))


def test_an_untrained_head_predicts_the_rate_times_the_exposure() -> None:
    head = CountHead(EXPOSED)
    facts = TargetFacts(np.array([2.0, 4.0]), np.ones(2), {"exposure": np.array([1.0, 2.0])})
    head.fit(facts)
    bias = head.initial_bias().expand(2, 1)
    got = head.predict(bias, Rows(extras={"exposure": torch.tensor([1.0, 10.0])}))
    assert_close(got, torch.tensor([2.0, 20.0]))


@pytest.mark.parametrize("days", [0.0, -1.0, np.nan])
def test_an_exposure_that_is_not_positive_is_refused(days: float) -> None:
    facts = TargetFacts(np.array([2.0, 4.0]), np.ones(2), {"exposure": np.array([1.0, days])})
    with pytest.raises(
        TaskError, match=r"1 of 2 rows hold a bad exposure, .* Correct .* \('days'\)"
    ):
        CountHead(EXPOSED).fit(facts)


def test_rows_without_their_exposure_are_refused() -> None:
    for call in (
        lambda: CountHead(EXPOSED).predict(torch.zeros(1, 1), Rows()),
        lambda: CountHead(EXPOSED).loss(torch.zeros(1, 1), torch.zeros(1), Rows()),
        lambda: CountHead(EXPOSED).fit(TargetFacts(np.array([1.0, 2.0]), np.ones(2))),
    ):
        with pytest.raises(TaskError, match="reads the column 'exposure' besides the label"):
            call()


def test_a_negative_count_is_refused() -> None:
    with pytest.raises(TaskError, match=r"'visits' \(count\): 1 of 2 rows .* example -3"):
        CountHead(PLAIN).fit(TargetFacts(np.array([1.0, -3.0]), np.ones(2)))


def test_counts_that_are_alike_but_not_zero_can_be_learnt() -> None:
    head = CountHead(EXPOSED)
    head.fit(TargetFacts(np.ones(2), np.ones(2), {"exposure": np.array([1.0, 3.0])}))
    assert_close(head.initial_bias(), torch.tensor([math.log(0.5)]))
