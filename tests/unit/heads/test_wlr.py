from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from plait.errors import TaskError
from plait.heads import Rows, TargetFacts, WLRHead
from plait.tasks import WatchTime

TASK = WatchTime("seconds", duration="length", form="wlr")


def fitted(labels: np.ndarray) -> WLRHead:
    head = WLRHead(TASK).double()
    head.fit(TargetFacts(labels, np.ones_like(labels)))
    return head


def test_loss_equals_a_hand_computation() -> None:
    head = fitted(np.array([0.0, 0.0, 9.0]))  # mean 3
    logit = torch.full((2, 1), math.log(3.0), dtype=torch.float64)
    loss = head.loss(logit, torch.tensor([0.0, 6.0], dtype=torch.float64), Rows())
    by_hand = [math.log(4.0), 2 * math.log(4 / 3) + math.log(4.0)]
    assert_close(loss, torch.tensor(by_hand, dtype=torch.float64))


@given(st.floats(0.02, 1.0), st.floats(0.1, 500.0))
def test_the_minimiser_predicts_the_mean_at_any_share_of_positives(
    share: float, watched: float
) -> None:
    head = fitted(np.array([0.0, 10.0]))
    mean = share * watched
    logit = torch.tensor([[math.log(mean / 5.0)]], dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([watched, 0.0], dtype=torch.float64)
    losses = head.loss(logit.expand(2, 1), labels, Rows())
    (slope,) = torch.autograd.grad(share * losses[0] + (1 - share) * losses[1], logit)
    assert abs(slope.item()) < 1e-9 * max(1.0, mean)
    assert head.predict(logit, Rows()).item() == pytest.approx(mean)


def test_the_papers_odds_would_be_too_high_by_the_share_of_negatives() -> None:
    share, watched = 0.05, 20.0  # positives weigh 20 and only the negatives weigh 1
    papers_odds = share * watched / (1 - share)
    assert papers_odds == pytest.approx(share * watched / 0.95)
    head = fitted(np.array([watched] + [0.0] * 19))
    assert head.predict(head.initial_bias().reshape(1, 1), Rows()).item() == pytest.approx(1.0)


def test_a_negative_watch_time_is_refused() -> None:
    with pytest.raises(TaskError, match=r"1 of 2 rows hold a bad label, for example -7"):
        fitted(np.array([3.0, -7.0]))
