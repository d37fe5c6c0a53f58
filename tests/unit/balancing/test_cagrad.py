"""Conflict-averse descent, against brute force on the simplex."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.balancing.reference import (
    cagrad_direction,
    cagrad_value,
    conflicting_triple,
    cosine,
    gradients,
)
from tests.unit.balancing.weighing import direction, weights

from plait.balancing import CAGrad
from plait.errors import ConfigurationError


@pytest.mark.parametrize("seed", range(5))
def test_two_tasks_are_as_golden_section_finds_them(seed: int) -> None:
    g = gradients(2, 3, seed=seed)
    low, high, ratio = 0.0, 1.0, (5**0.5 - 1) / 2
    for _ in range(100):
        one, other = high - ratio * (high - low), low + ratio * (high - low)
        values = [cagrad_value(g, np.array([w, 1 - w]), 0.4) for w in (one, other)]
        low, high = (low, other) if values[0] < values[1] else (one, high)
    expected = cagrad_direction(g, np.array([low, 1 - low]), 0.4)
    assert cosine(direction(CAGrad(), g), expected) > 1 - 1e-10


@pytest.mark.parametrize("seed", range(4))
def test_three_tasks_are_at_least_as_good_as_a_fine_grid(seed: int) -> None:
    g = gradients(3, 4, seed=seed) if seed else conflicting_triple()
    given = weights(CAGrad(c=0.6), g) - 1  # a multiple of the mixture
    w = given / given.sum()
    steps = np.linspace(0, 1, 151)
    grid = [np.array([a, b, 1 - a - b]) for a in steps for b in steps if a + b <= 1]
    best = min(cagrad_value(g, point, 0.6) for point in grid)
    assert cagrad_value(g, w, 0.6) <= best + 1e-9
    assert direction(CAGrad(c=0.6), g) == pytest.approx(3 * cagrad_direction(g, w, 0.6), abs=1e-8)


def test_it_never_leaves_the_ball_around_the_mean() -> None:
    g = conflicting_triple()
    mean = g.mean(axis=0)
    away = np.linalg.norm(direction(CAGrad(c=0.4), g) / 3 - mean)
    assert away == pytest.approx(0.4 * np.linalg.norm(mean))
    assert weights(CAGrad(c=0.0), g) == pytest.approx(np.ones(3))


def test_between_opposed_gradients_it_goes_on_to_the_least_mean() -> None:
    # g_0 = -0.5. A mixture x > 0 gives -0.5 x + 0.4 * 0.5 x, least at x = 1: the first task alone.
    g = np.array([[1.0, 0.0], [-2.0, 0.0]])
    assert weights(CAGrad(), g) == pytest.approx([1 + 2 * 0.2, 1.0])


def test_with_a_large_ball_it_stands_still_there() -> None:
    assert weights(CAGrad(c=1.5), np.array([[1.0, 0.0], [-2.0, 0.0]])).tolist() == [0.0, 0.0]


def test_c_must_not_be_negative() -> None:
    with pytest.raises(ConfigurationError, match=r"CAGrad: `c` must be at least 0, got -0.1\."):
        CAGrad(c=-0.1)
