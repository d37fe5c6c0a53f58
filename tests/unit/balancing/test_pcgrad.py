"""Gradient surgery against the paper's loop, and torchjd's own aggregator."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.unit.balancing.reference import conflicting_triple, gradients, pcgrad
from tests.unit.balancing.weighing import NAMES, direction, weights
from torchjd.aggregation import PCGrad as TheirPCGrad

from plait.balancing import PCGrad


@pytest.mark.parametrize("tasks", [2, 3, 5])
@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_papers_loop_for_the_orders_that_were_drawn(tasks: int, seed: int) -> None:
    g = gradients(tasks, 4, seed=seed)
    with torch.random.fork_rng():
        torch.manual_seed(1_000_003 * 7 + 1)
        orders = [torch.randperm(tasks).tolist() for _ in range(tasks)]
    assert direction(PCGrad(seed=7), g) == pytest.approx(pcgrad(g, orders), abs=1e-10)


def test_it_is_torchjds_aggregator() -> None:
    g = conflicting_triple()
    with torch.random.fork_rng():
        torch.manual_seed(1)
        theirs = TheirPCGrad()(torch.from_numpy(g)).numpy()
    assert direction(PCGrad(), g) == pytest.approx(theirs, abs=1e-10)


def test_each_step_has_orders_of_its_own_and_torchs_generator_is_left_alone() -> None:
    g = conflicting_triple()
    rule, before = PCGrad(), torch.get_rng_state()
    found = [weights(rule, g) for _ in range(6)]
    assert any(not np.allclose(found[0], other) for other in found)
    assert torch.equal(torch.get_rng_state(), before)
    rule.prepare({})
    assert weights(rule, g) == pytest.approx(found[0])


def test_without_a_conflict_it_is_the_plain_sum() -> None:
    g = np.abs(gradients(4, 6, seed=0))
    assert weights(PCGrad(), g) == pytest.approx(np.ones(4))
    assert weights(PCGrad(), np.eye(3) * [[1.0], [5.0], [0.1]]) == pytest.approx(np.ones(3))
    assert len(NAMES) == 16
