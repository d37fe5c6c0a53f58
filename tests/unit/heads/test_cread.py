from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from plait.errors import TaskError
from plait.heads import CREADHead, Rows, TargetFacts
from plait.tasks import WatchTime


def task_of(num_bins: int) -> WatchTime:
    return WatchTime("seconds", duration="length", num_bins=num_bins)


def facts_of(labels: np.ndarray) -> TargetFacts:
    return TargetFacts(labels, np.ones_like(labels))


@given(st.lists(st.floats(-50, 50, width=32), min_size=4, max_size=4))
def test_chances_never_increase_with_the_threshold(parameters: list[float]) -> None:
    logits = CREADHead(task_of(4)).exceedance_logits(torch.tensor([parameters]))
    assert (logits.diff() <= 0).all()


def test_bins_hold_equal_mass_by_default() -> None:
    labels = np.random.default_rng(0).exponential(10.0, 999)
    head = CREADHead(task_of(9))
    head.fit(facts_of(labels))
    counts = np.histogram(labels, [0.0, *head.thresholds.double().numpy() + 1e-4, np.inf])[0]
    assert np.abs(counts - 99.9).max() <= 1


def test_thresholds_follow_the_formula_and_alpha_moves_them_up() -> None:
    labels = np.arange(1.0, 1001.0)
    head, plain = CREADHead(task_of(4), alpha=2.0), CREADHead(task_of(4))
    head.fit(facts_of(labels))
    plain.fit(facts_of(labels))
    levels = [(1 - math.exp(-2 * m / 5)) / (1 - math.exp(-2)) for m in range(1, 5)]
    expected = torch.tensor([math.ceil(1000 * level) for level in levels]).float()
    assert_close(head.thresholds, expected)
    assert (head.thresholds > plain.thresholds).all()


def test_loss_equals_a_hand_computation() -> None:
    head = CREADHead(task_of(2), restoration_weight=0.5)
    head.fit(facts_of(np.array([1.0, 2.0, 6.0])))
    assert_close(head.thresholds, torch.tensor([1.0, 2.0]))
    assert_close(head.bin_means, torch.tensor([1.0, 2.0, 6.0]))
    # softplus(0) = log 2: the chances are 1/2 and sigmoid(-log 2) = 1/3.
    restored = 1 + 1 / 2 * 1 + 1 / 3 * 4
    spread = math.sqrt(14 / 3)
    classification = (-math.log(1 / 2) - math.log(2 / 3)) / 2
    restoration = ((restored - 2) / spread) ** 2 / 2
    loss = head.loss(torch.zeros(1, 2), torch.tensor([2.0]), Rows())
    assert_close(loss, torch.tensor([classification + 0.5 * restoration]))
    assert_close(head.predict(torch.zeros(1, 2), Rows()), torch.tensor([restored]))


def test_restoration_is_the_papers_sum_plus_the_mean_excess_in_each_bin() -> None:
    labels = np.random.default_rng(1).exponential(10.0, 500)
    head = CREADHead(task_of(6)).double()
    head.fit(facts_of(labels))
    generator = torch.Generator().manual_seed(0)
    parameters = torch.randn(3, 6, generator=generator, dtype=torch.float64)
    chances = torch.sigmoid(head.exceedance_logits(parameters)).numpy()
    edges = np.concatenate([[0.0], head.thresholds.numpy()])
    papers = chances @ np.diff(edges)
    inside = -np.diff(np.column_stack([np.ones(3), chances, np.zeros(3)]))
    excess = inside @ (head.bin_means.numpy() - edges)
    np.testing.assert_allclose(head.predict(parameters, Rows()).numpy(), papers + excess)


def test_an_untrained_head_predicts_the_mean() -> None:
    labels = np.random.default_rng(2).exponential(10.0, 500)
    head = CREADHead(task_of(20))
    head.fit(facts_of(labels))
    prediction = head.predict(head.initial_bias().reshape(1, -1), Rows())
    assert prediction.item() == pytest.approx(labels.mean(), rel=1e-5)


def test_thresholds_that_coincide_leave_the_mean_nearly_right() -> None:
    labels = np.concatenate([np.zeros(70), np.arange(1.0, 31.0)])
    head = CREADHead(task_of(10))
    head.fit(facts_of(labels))
    bias = head.initial_bias()
    assert bias.isfinite().all()
    assert (head.bin_means.diff() >= 0).all()
    assert head.predict(bias.reshape(1, -1), Rows()).item() == pytest.approx(
        labels.mean(), rel=1e-3
    )


@pytest.mark.parametrize(("weight", "share_of_mean"), [(0.0, 1.0), (0.1, 0.95), (1.0, 0.86)])
def test_descent_finds_the_mean_less_what_the_restoration_loss_pulls(
    weight: float, share_of_mean: float
) -> None:
    random = np.random.default_rng(3)
    short, long = random.exponential(5.0, 2000), random.exponential(40.0, 2000)
    head = CREADHead(task_of(10), restoration_weight=weight)
    head.fit(facts_of(np.concatenate([short, long])))
    parameters = torch.stack([head.initial_bias()] * 2).requires_grad_()
    kind = torch.arange(2).repeat_interleave(2000)
    target = torch.from_numpy(np.concatenate([short, long])).float()
    optimiser = torch.optim.Adam([parameters], lr=0.05)
    for _ in range(200):
        optimiser.zero_grad()
        head.loss(parameters[kind], target, Rows()).mean().backward()
        optimiser.step()
    prediction = head.predict(parameters.detach(), Rows())
    assert prediction[0].item() == pytest.approx(short.mean(), rel=0.05)
    assert prediction[1].item() == pytest.approx(share_of_mean * long.mean(), rel=0.01)


@pytest.mark.parametrize(("alpha", "weight"), [(-1.0, 1.0), (0.0, -1.0), (math.nan, 1.0)])
def test_negative_settings_are_refused(alpha: float, weight: float) -> None:
    with pytest.raises(TaskError, match=rf"must not be negative, got {alpha} and {weight}"):
        CREADHead(task_of(3), alpha=alpha, restoration_weight=weight)


def test_a_negative_watch_time_is_refused() -> None:
    with pytest.raises(TaskError, match=r"'seconds' \(watch_time\): 1 of 2 rows .* example -1"):
        CREADHead(task_of(3)).fit(facts_of(np.array([1.0, -1.0])))
