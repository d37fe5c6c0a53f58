"""The projected sum, against every set of active constraints."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.unit.balancing.reference import conflicting_triple, cosine, gradients
from tests.unit.balancing.weighing import direction, weights

from plait.balancing import DualProj, UPGrad


def dualproj(g: NDArray[np.float64]) -> NDArray[np.float64]:
    """The point of `{d: G d >= 0}` nearest to the sum, by every set of active constraints."""
    total = g.sum(axis=0)
    best, nearest = math.inf, total
    for mask in range(2 ** len(g)):
        active = g[[j for j in range(len(g)) if mask >> j & 1]]
        point = total
        if len(active):
            point = total - active.T @ np.linalg.solve(active @ active.T, active @ total)
        away = float((point - total) @ (point - total))
        if (g @ point).min() >= -1e-12 and away < best:
            best, nearest = away, point
    return nearest


def ridged_weights(g: NDArray[np.float64], ridge: float = 1e-4) -> NDArray[np.float64]:
    """Least `vᵀ(M / tr M + ridge I)v` with `v >= 1`, by every set of weights that stand at 1."""
    m = g @ g.T
    m = m / np.trace(m) + ridge * np.eye(len(m))
    best, least = math.inf, np.ones(len(m))
    for mask in range(2 ** len(m)):
        free = [j for j in range(len(m)) if mask >> j & 1]
        held = [j for j in range(len(m)) if not mask >> j & 1]
        v = np.ones(len(m))
        v[free] = np.linalg.solve(m[np.ix_(free, free)], -m[np.ix_(free, held)].sum(axis=1))
        if v.min() >= 1 - 1e-12 and v @ m @ v < best:
            best, least = v @ m @ v, v
    return least


@pytest.mark.parametrize("tasks", [2, 3, 6])
def test_the_weights_are_those_of_the_problem_and_the_direction_the_projected_sum(
    tasks: int,
) -> None:
    """The direction to what the ridge leaves; without it a plane of gradients has no weights."""
    for seed in range(4):
        g = gradients(tasks, 12, seed=seed, spread=0.5)
        g[0] -= 0.7 * g[1:].sum(axis=0)
        assert weights(DualProj(), g) == pytest.approx(ridged_weights(g), rel=1e-10)
        away = np.linalg.norm(direction(DualProj(), g) - dualproj(g))
        assert away < 1e-2 * np.linalg.norm(g.sum(axis=0))


def test_a_conflicting_pair_by_hand() -> None:
    """`g = (1, 0), (-2, 1)`: the sum (-1, 1) harms the first, so its first entry goes."""
    g = np.array([[1.0, 0.0], [-2.0, 1.0]])
    assert dualproj(g) == pytest.approx([0.0, 1.0])
    assert direction(DualProj(), g) == pytest.approx([0.0, 1.0], abs=2e-3)
    assert weights(DualProj(), g) == pytest.approx([2.0, 1.0], abs=2e-3)


def test_no_task_is_harmed_and_no_conflict_is_the_plain_sum() -> None:
    assert (conflicting_triple() @ direction(DualProj(), conflicting_triple())).min() > -1e-3
    apart = np.abs(gradients(4, 6, seed=1))
    assert weights(DualProj(), apart) == pytest.approx(np.ones(4))


def test_two_tasks_of_one_length_are_those_of_upgrad_and_others_are_not() -> None:
    even = np.array([[1.0, 0.0], [-0.6, 0.8]])
    assert cosine(direction(DualProj(), even), direction(UPGrad(), even)) == pytest.approx(1)
    uneven = np.array([[1.0, 0.0], [-2.0, 1.0]])
    assert direction(UPGrad(), uneven) == pytest.approx([0.2, 1.4], abs=2e-3)
    assert direction(DualProj(), uneven) == pytest.approx([0.0, 1.0], abs=2e-3)
