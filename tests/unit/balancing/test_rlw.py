"""Random weights: their distribution, their seed, their step."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from plait.balancing import RLW

ONES = {"a": 1.0, "b": 1.0, "c": 1.0}


def test_weights_are_a_softmax_of_normal_numbers_times_the_tasks() -> None:
    rule = RLW(seed=5)
    for step in range(3):
        draw = torch.Generator().manual_seed(1_000_003 * 5 + step)
        logits = torch.randn(3, generator=draw, dtype=torch.float64)
        expected = 3 * torch.softmax(logits, dim=0)
        assert list(rule.weigh(ONES).values()) == pytest.approx(expected.tolist(), abs=1e-12)


def test_in_the_long_run_all_tasks_are_alike() -> None:
    rule = RLW()
    drawn = np.array([list(rule.weigh(ONES).values()) for _ in range(2000)])
    assert drawn.mean(axis=0) == pytest.approx(np.ones(3), abs=0.06)
    assert drawn.sum(axis=1) == pytest.approx(np.full(2000, 3.0))
    assert drawn.std() > 0.5


def test_another_seed_draws_otherwise_and_torchs_own_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    assert RLW(seed=0).weigh(ONES) != RLW(seed=1).weigh(ONES)
    assert torch.equal(torch.get_rng_state(), before)
