"""The cheap penalty: its value by hand, and that it bounds the exact one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.unit.methods import reference
from tests.unit.methods.steps import parameters_of, step_of, total_gradient

from plait.errors import ConfigurationError
from plait.methods import GradientNorm, RepresentationNorm

ROWS, TASKS = 6, 2


def test_the_value_is_the_mean_squared_gradient_of_a_row() -> None:
    given = reference.draw(ROWS, TASKS, seed=1)
    step = step_of(given, parameters_of(given))
    hidden = reference.hidden(reference.flat_parameters(given), given)
    for place, task in enumerate(step.losses):
        logit = hidden @ given["v"][place]
        residual = 1 / (1 + np.exp(-logit)) - given["y"][:, place]
        expected = np.mean((residual[:, None] * given["v"][place]) ** 2 * reference.WIDTH)
        assert RepresentationNorm().value(step, task).item() == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(10))
def test_it_is_never_below_the_exact_ratio(seed: int) -> None:
    given = reference.draw(ROWS, TASKS, seed=seed)
    step = step_of(given, parameters_of(given))
    spread = float((reference.jacobian(given) ** 2).sum()) / ROWS
    for task in step.losses:
        exact = GradientNorm(form="plain").value(step, task).item() / spread
        assert 0 < exact <= RepresentationNorm().value(step, task).item()


def test_the_gradient_is_that_of_losses_and_penalty() -> None:
    given = reference.draw(ROWS, TASKS, seed=2)
    parameters = parameters_of(given)
    found = total_gradient(
        RepresentationNorm(strength=0.3).penalised(step_of(given, parameters)), parameters
    )

    def objective(at: reference.Floats) -> float:
        hidden = reference.hidden(at, given)
        total = 0.0
        for task in range(TASKS):
            head = given["v"][task]
            residual = 1 / (1 + np.exp(-hidden @ head)) - given["y"][:, task]
            rows = (residual[:, None] * head) ** 2
            total += reference.loss_of(hidden, given, task) + 0.3 / TASKS * rows.sum() / ROWS
        return float(total)

    expected = reference.slope(objective, reference.flat_parameters(given))
    assert np.abs(found - expected).max() < 1e-7 * np.abs(expected).max()


def test_inputs_that_came_past_the_shared_network_do_not_count() -> None:
    given = reference.draw(ROWS, 1, seed=3)
    step = step_of(given, parameters_of(given))
    (task,) = step.losses
    shared = step.representations[task]
    beside = torch.ones(ROWS, 2, dtype=torch.float64)
    both = torch.cat([shared, beside], dim=1)
    head = torch.cat([torch.tensor(given["v"][0]), torch.tensor([3.0, -3.0]).double()])
    loss = torch.nn.functional.binary_cross_entropy_with_logits(
        both @ head, torch.tensor(given["y"][:, 0])
    )
    wide = step._replace(losses={task: loss}, representations={task: both})
    assert RepresentationNorm().value(wide, task).item() == pytest.approx(
        RepresentationNorm().value(step, task).item()
    )


def test_a_negative_strength_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"RepresentationNorm: `strength` must be .* -2"):
        RepresentationNorm(strength=-2)
