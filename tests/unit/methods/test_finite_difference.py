"""Two looks at the gradient: the limit, sharpness-aware minimisation, and nothing to climb."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from tests.unit.methods import reference
from tests.unit.methods.reference import Floats
from tests.unit.methods.steps import parameters_of, step_of, total_gradient

from plait.errors import ConfigurationError
from plait.methods import FiniteDifference

GIVEN = reference.draw(6, 2, seed=0)


def direction(penalty: FiniteDifference) -> Floats:
    parameters = parameters_of(GIVEN)
    return total_gradient(penalty.penalised(step_of(GIVEN, parameters)), parameters)


def norm_and_slope() -> tuple[Floats, Floats]:
    """The gradient of the losses, and the gradient of its norm, by autograd."""
    parameters = parameters_of(GIVEN)
    total = torch.stack(list(step_of(GIVEN, parameters).losses.values())).sum()
    slopes = torch.autograd.grad(total, list(parameters.values()), create_graph=True)
    norm = torch.cat([slope.flatten() for slope in slopes]).norm()
    second = torch.autograd.grad(norm, list(parameters.values()))
    return tuple(
        np.concatenate([part.detach().numpy().ravel() for part in parts])
        for parts in (slopes, second)
    )  # type: ignore[return-value]  # two of them


def test_the_direction_becomes_that_of_the_loss_and_the_norm_of_its_gradient() -> None:
    strength = 0.3
    slope, of_norm = norm_and_slope()
    expected = slope + strength * of_norm
    errors = []
    for radius in (1e-2, 1e-3, 1e-4, 1e-5):
        penalty = FiniteDifference(radius=radius, alpha=strength / radius)
        assert penalty.factor == pytest.approx(strength)
        errors.append(np.linalg.norm(direction(penalty) - expected))
    assert errors[-1] < 1e-4 * np.linalg.norm(strength * of_norm)
    # Of first order: a tenth of the radius, a tenth of the error.
    for larger, smaller in pairwise(errors):
        assert smaller == pytest.approx(larger / 10, rel=0.2)


def test_it_is_a_mixture_of_two_gradients() -> None:
    flat = reference.flat_parameters(GIVEN)
    here = sum(reference.gradient(GIVEN, task) for task in range(2))
    uphill = flat + 0.5 * here / np.linalg.norm(here)
    there = sum(reference.gradient(GIVEN, task, at=uphill) for task in range(2))
    found = direction(FiniteDifference(radius=0.5, alpha=0.3))
    assert np.abs(found - (0.7 * here + 0.3 * there)).max() < 1e-8


def test_with_alpha_one_it_is_sharpness_aware_minimisation() -> None:
    flat = reference.flat_parameters(GIVEN)
    here = sum(reference.gradient(GIVEN, task) for task in range(2))
    uphill = flat + 0.2 * here / np.linalg.norm(here)
    there = sum(reference.gradient(GIVEN, task, at=uphill) for task in range(2))
    assert np.abs(direction(FiniteDifference(radius=0.2, alpha=1.0)) - there).max() < 1e-8


def test_where_there_is_no_slope_the_losses_are_left_alone() -> None:
    parameters = parameters_of(GIVEN)
    step = step_of(GIVEN, parameters)
    flat_step = step._replace(losses={task: loss * 0 for task, loss in step.losses.items()})
    assert FiniteDifference().penalised(flat_step) is flat_step.losses


def test_a_loss_that_is_not_finite_uphill_is_left_alone() -> None:
    parameters = parameters_of(GIVEN)
    step = step_of(GIVEN, parameters)
    first, second = step.losses

    def broken(values: object) -> dict[str, torch.Tensor]:
        return {first: step.losses[first] * float("nan"), second: step.losses[second]}

    assert set(FiniteDifference().penalised(step._replace(again=broken))) == {second}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"radius": -0.1}, "`radius` must be at least 0, got -0.1"),
        ({"radius": float("inf")}, "`radius` must be at least 0, got inf"),
        ({"alpha": -1.0}, "`alpha` must be at least 0, got -1.0"),
        ({"radius": -1, "alpha": -2}, "got -1; `alpha` must be at least 0, got -2."),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, float], said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        FiniteDifference(**settings)
    assert said in str(caught.value)


def test_no_radius_and_no_share_are_no_penalty() -> None:
    assert FiniteDifference().factor == 0.025
    assert FiniteDifference(radius=0.0).factor == FiniteDifference(alpha=0.0).factor == 0.0
