"""Fair shares: the equation itself, torchjd, and gradients with no fair share."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.unit.balancing.reference import cosine, gradients
from tests.unit.balancing.weighing import direction, weights
from torchjd.aggregation import FairGradWeighting

from plait.balancing import FairGrad
from plait.errors import ConfigurationError

ALPHAS = [0.3, 0.5, 1.0, 2.0, 5.0]


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("tasks", [2, 3, 5, 12])
def test_the_weights_solve_the_equation_of_the_paper_up_to_a_factor(
    tasks: int, alpha: float
) -> None:
    for seed in range(4):
        g = gradients(tasks, 8 + 2 * tasks, seed=seed, spread=2.0)
        w = weights(FairGrad(alpha=alpha), g)
        assert (w > 0).all()
        assert w.sum() == pytest.approx(tasks)
        # M (s w) = (s w)^(-1/alpha) for one s: the quotient of both sides is one number.
        quotient = (g @ g.T @ w) * w ** (1 / alpha)
        assert quotient / quotient[0] == pytest.approx(np.ones(tasks), abs=1e-10)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
def test_torchjd_comes_to_the_same_direction(alpha: float) -> None:
    for seed in range(4):
        g = gradients(4, 20, seed=seed)
        m = torch.from_numpy(g @ g.T)
        theirs = FairGradWeighting(alpha)(m / m.diagonal().mean()).numpy() @ g
        assert cosine(direction(FairGrad(alpha=alpha), g), theirs) > 1 - 1e-9


def test_the_bargain_of_nash_does_not_see_scales() -> None:
    g = gradients(3, 6, seed=1)
    scaled = g * np.array([[1000.0], [1.0], [1e-4]])
    assert cosine(direction(FairGrad(), g), direction(FairGrad(), scaled)) > 1 - 1e-10


def test_opposed_gradients_have_no_bargain_and_weights_that_cancel() -> None:
    g = np.array([[1.0, 0.0], [-4.0, 0.0]])
    w = weights(FairGrad(), g)
    assert w == pytest.approx([1.6, 0.4])
    assert direction(FairGrad(), g) == pytest.approx([0.0, 0.0], abs=1e-7)


def test_field_case_53_weights_stay_positive_and_bounded_over_1000_steps() -> None:
    rng = np.random.default_rng(0)
    for step in range(1000):
        g = rng.normal(size=(3, 4)) * 10.0 ** rng.uniform(-6, 2, (3, 1)) * 0.99**step
        w = weights(FairGrad(), g)
        assert (w > 0).all()
        assert (w <= 3).all()


def test_alpha_must_be_positive() -> None:
    with pytest.raises(ConfigurationError, match=r"FairGrad: `alpha` must be above 0, got 0"):
        FairGrad(alpha=0)
