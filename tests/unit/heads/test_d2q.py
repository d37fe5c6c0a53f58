from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from plait.errors import TaskError
from plait.heads import D2QHead, Rows, TargetFacts
from plait.tasks import WatchTime


def task_of(num_bins: int) -> WatchTime:
    return WatchTime("seconds", duration="length", form="d2q", num_bins=num_bins)


def fitted(labels: np.ndarray, durations: np.ndarray, num_bins: int = 2) -> D2QHead:
    head = D2QHead(task_of(num_bins)).double()
    head.fit(TargetFacts(labels, np.ones_like(labels), {"duration": durations}))
    return head


def rows_of(durations: list[float] | np.ndarray) -> Rows:
    return Rows(extras={"duration": torch.tensor(durations, dtype=torch.float64)})


def test_quantiles_are_those_within_the_duration_group() -> None:
    labels = np.concatenate([np.arange(101.0), 1000 + np.arange(101.0)])
    head = fitted(labels, np.repeat([10.0, 60.0], 101))
    target = torch.tensor([0.0, 25.0, 1025.0, 1100.0, 5000.0], dtype=torch.float64)
    rows = rows_of([10.0, 10.0, 60.0, 60.0, 60.0])
    expected = torch.tensor([0.0, 0.25, 0.25, 1.0, 1.0], dtype=torch.float64)
    assert_close(head.quantile(target, rows), expected, atol=0.011, rtol=0.0)


def test_loss_is_the_squared_error_of_the_quantile_by_hand() -> None:
    head = fitted(np.arange(1.0, 8.0), np.array([5.0] * 3 + [9.0] * 4))
    rows = rows_of([5.0])
    parameters = torch.logit(torch.tensor([[0.9]], dtype=torch.float64))
    quantile = head.quantile(torch.tensor([2.0], dtype=torch.float64), rows)
    loss = head.loss(parameters, torch.tensor([2.0], dtype=torch.float64), rows)
    assert_close(quantile.item(), 0.5, atol=0.01, rtol=0.0)
    assert_close(loss, (0.9 - quantile).square())


@settings(max_examples=40)
@given(st.lists(st.integers(0, 12), min_size=2, max_size=60).filter(lambda x: min(x) < max(x)))
def test_the_quantile_read_backwards_is_the_watch_time(watched: list[int]) -> None:
    labels = np.array(watched, dtype=np.float64)
    head = fitted(labels, np.full_like(labels, 30.0))
    target, rows = torch.from_numpy(labels), rows_of(np.full_like(labels, 30.0))
    parameters = torch.logit(head.quantile(target, rows)).unsqueeze(-1)
    assert_close(head.predict(parameters, rows), target, atol=1e-6, rtol=0.0)


def test_quantiles_of_a_sample_are_even() -> None:
    random = np.random.default_rng(0)
    durations = random.uniform(5, 90, 3000)
    labels = durations * random.beta(2, 3, 3000)
    head = fitted(labels, durations, num_bins=5)
    quantiles = head.quantile(torch.from_numpy(labels), rows_of(durations))
    assert_close(quantiles.mean().item(), 0.5, atol=0.01, rtol=0.0)
    assert_close(quantiles.var().item(), 1 / 12, atol=0.005, rtol=0.0)


def test_groups_hold_equal_mass() -> None:
    durations = np.random.default_rng(0).exponential(30.0, 1000)
    head = fitted(np.arange(1000.0), durations, num_bins=4)
    groups = torch.bucketize(torch.from_numpy(durations), head.edges)
    assert groups.bincount().tolist() == [250, 250, 250, 250]


def test_a_watch_time_that_many_rows_share_is_the_middle_of_its_jump() -> None:
    labels = np.concatenate([np.zeros(50), np.arange(1.0, 51.0)])
    head = fitted(labels, np.full(100, 30.0))
    got = head.quantile(torch.zeros(1, dtype=torch.float64), rows_of([30.0]))
    assert_close(got.item(), 0.25, atol=0.01, rtol=0.0)


def test_an_untrained_head_predicts_the_median_of_the_group() -> None:
    labels = np.concatenate([np.arange(101.0), 1000 + np.arange(101.0)])
    head = fitted(labels, np.repeat([10.0, 60.0], 101))
    bias = head.initial_bias().expand(2, 1)
    expected = torch.tensor([50.0, 1050.0], dtype=torch.float64)
    assert_close(head.predict(bias, rows_of([10.0, 60.0])), expected)


def test_durations_beyond_the_training_rows_read_as_the_last_group_with_rows() -> None:
    labels = np.arange(10.0)
    head = fitted(labels, np.array([5.0] * 5 + [9.0] * 5), num_bins=4)
    bias = head.initial_bias().expand(2, 1)
    prediction = head.predict(bias, rows_of([9.0, 500.0]))
    assert prediction[0] == prediction[1]


@pytest.mark.parametrize("bad", [0.0, -4.0, np.nan])
def test_a_duration_that_is_not_positive_is_refused(bad: float) -> None:
    with pytest.raises(
        TaskError, match=r"1 of 2 rows hold a bad duration, .* Correct .* \('length'\)"
    ):
        fitted(np.array([1.0, 2.0]), np.array([10.0, bad]))


def test_rows_without_their_duration_are_refused() -> None:
    head = D2QHead(task_of(2))
    with pytest.raises(TaskError, match=r"reads the column 'duration' .* Give it in `extras`"):
        head.predict(torch.zeros(1, 1), Rows())
