"""Projections on the dual cone, against every set of active constraints."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.balancing.reference import conflicting_triple, cosine, gradients, upgrad
from tests.unit.balancing.weighing import direction, weights

from plait.balancing import UPGrad
from plait.balancing.torchjd_weights import RIDGE


def ridged(g: np.ndarray) -> np.ndarray:
    """Gradients whose Gramian is that of g over its trace, with the ridge on the diagonal.

    The ridge is a part of each gradient that no other task has: one more coordinate a task.
    """
    scale = np.sqrt(np.trace(g @ g.T))
    return np.hstack([g / scale, np.sqrt(RIDGE) * np.eye(len(g))])


@pytest.mark.parametrize("tasks", [2, 3, 4])
@pytest.mark.parametrize("seed", range(4))
def test_it_is_the_mean_of_the_nearest_points_in_the_cone(tasks: int, seed: int) -> None:
    g = ridged(gradients(tasks, 6, seed=seed))
    expected = tasks * upgrad(g)
    raw = gradients(tasks, 6, seed=seed)
    assert weights(UPGrad(), raw) @ g == pytest.approx(expected, abs=1e-10)


def test_it_harms_no_task() -> None:
    g = conflicting_triple()
    along = g @ direction(UPGrad(), g)
    assert along.min() >= -1e-3  # the ridge leaves so much


@pytest.mark.parametrize("seed", range(4))
def test_the_ridge_hardly_matters(seed: int) -> None:
    g = gradients(3, 20, seed=seed, spread=0.3)
    assert cosine(direction(UPGrad(), g), upgrad(g)) > 1 - 1e-5


def test_small_gradients_are_not_taken_for_none() -> None:
    g = conflicting_triple()
    assert weights(UPGrad(), 1e-6 * g) == pytest.approx(weights(UPGrad(), g))
    assert (weights(UPGrad(), g) >= 1 - 1e-12).all()
