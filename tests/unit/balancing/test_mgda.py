"""The shortest mixture: closed form for two tasks, optimality for more, torchjd."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.unit.balancing.reference import cosine, gradients, mgda_of_two
from tests.unit.balancing.weighing import direction, weights
from torchjd.aggregation import MGDAWeighting

from plait.balancing import MGDA


@pytest.mark.parametrize("seed", range(8))
def test_two_tasks_have_the_papers_closed_form(seed: int) -> None:
    g = gradients(2, 4, seed=seed)
    assert weights(MGDA(), g) == pytest.approx(2 * mgda_of_two(g), abs=1e-10)


@pytest.mark.parametrize("tasks", [3, 5, 8])
@pytest.mark.parametrize("seed", range(4))
def test_no_mixture_is_shorter(tasks: int, seed: int) -> None:
    g = gradients(tasks, 6, seed=seed)
    w = weights(MGDA(), g) / tasks
    d = w @ g
    assert w.min() >= 0
    assert w.sum() == pytest.approx(1)
    # The minimum on a convex hull: every point of it projects on d beyond d's end.
    assert (g @ d).min() >= d @ d - 1e-10 * np.trace(g @ g.T)


@pytest.mark.parametrize("seed", range(3))
def test_torchjd_comes_to_the_same_direction_if_it_iterates_long_enough(seed: int) -> None:
    g = gradients(3, 40, seed=seed, spread=0.3)
    theirs = MGDAWeighting(epsilon=1e-9, max_iters=20_000)(torch.from_numpy(g @ g.T)).numpy() @ g
    assert cosine(direction(MGDA(), g), theirs) > 1 - 1e-5
