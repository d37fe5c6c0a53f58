"""The exact penalty against a brute-force Jacobian: values, gradients, the estimate's mean."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.unit.methods import reference
from tests.unit.methods.reference import Floats
from tests.unit.methods.steps import parameters_of, step_of, total_gradient

from plait.errors import ConfigurationError
from plait.methods import GradientNorm, RepresentationNorm
from plait.methods.gradient_norm import DELTA, FORMS, Form, jacobian_norm

ROWS, TASKS = 6, 2
GIVEN = reference.draw(ROWS, TASKS, seed=0)


def probe(number: int) -> Floats:
    """The normal numbers that the estimate draws at a step, drawn again."""
    generator = torch.Generator().manual_seed(1_000_003 * number)
    drawn = torch.randn((ROWS, reference.WIDTH), generator=generator, dtype=torch.float64)
    return drawn.numpy().ravel()


def by_hand(form: str, *, number: int, at: Floats | None = None) -> float:
    """The penalty of all tasks from finite differences, with the probe of a step."""
    flat = reference.flat_parameters(GIVEN) if at is None else at
    pulls = [float((reference.gradient(GIVEN, k, at=flat) ** 2).sum()) for k in range(TASKS)]
    if form == "plain":
        return float(np.mean(pulls))

    def probed(moved: Floats) -> float:
        return float(reference.hidden(moved, GIVEN).ravel() @ probe(number) / np.sqrt(ROWS))

    spread = float((reference.slope(probed, flat) ** 2).sum()) + DELTA
    scale = 1.0
    if form == "normalised":  # at the starting point: it is held constant
        start = reference.hidden(reference.flat_parameters(GIVEN), GIVEN)
        scale = float((start**2).sum(axis=1).mean())
    return float(np.mean(pulls)) / spread * scale


@pytest.mark.parametrize("form", FORMS)
def test_the_value_is_that_of_a_brute_force_jacobian(form: Form) -> None:
    penalty = GradientNorm(form=form)
    step = step_of(GIVEN, parameters_of(GIVEN), number=7)
    found = np.mean([penalty.value(step, task).item() for task in step.losses])
    assert found == pytest.approx(by_hand(form, number=7), rel=1e-6)


def test_the_estimate_at_a_probe_is_the_jacobian_times_the_probe() -> None:
    parameters = parameters_of(GIVEN)
    hidden = next(iter(step_of(GIVEN, parameters).representations.values()))
    jacobian = reference.jacobian(GIVEN)
    for number in range(3):
        found = jacobian_norm([hidden], parameters.values(), seed=number).item()
        expected = float(((probe(number) @ jacobian) ** 2).sum()) / ROWS
        assert found == pytest.approx(expected, rel=1e-6)


def test_the_mean_of_many_probes_is_the_norm_of_the_jacobian() -> None:
    parameters = parameters_of(GIVEN)
    hidden = next(iter(step_of(GIVEN, parameters).representations.values()))
    drawn = [jacobian_norm([hidden], parameters.values(), seed=n).item() for n in range(200)]
    exact = float((reference.jacobian(GIVEN) ** 2).sum()) / ROWS
    error = np.std(drawn, ddof=1) / np.sqrt(len(drawn))
    assert abs(np.mean(drawn) - exact) < 3 * error
    assert error < 0.1 * exact


@pytest.mark.parametrize("form", FORMS)
def test_the_gradient_is_that_of_losses_and_penalty(form: Form) -> None:
    strength = 0.7
    penalty = GradientNorm(strength=strength, form=form)
    parameters = parameters_of(GIVEN)
    step = step_of(GIVEN, parameters, number=3)
    found = total_gradient(penalty.penalised(step), parameters)
    flat = reference.flat_parameters(GIVEN)
    losses = sum(reference.gradient(GIVEN, task) for task in range(TASKS))
    of_penalty = reference.slope(lambda at: by_hand(form, number=3, at=at), flat, step=1e-3)
    expected = losses + strength * of_penalty
    assert np.abs(found - expected).max() < 1e-6 * np.abs(expected).max()


def test_blowing_up_the_representation_lowers_the_ratio_but_not_the_normalised_form() -> None:
    """`h` ten times as large, and a head that takes it back: the same predictions."""
    parameters = parameters_of(GIVEN)
    step = step_of(GIVEN, parameters)
    labels, heads = torch.tensor(GIVEN["y"]), torch.tensor(GIVEN["v"])
    blown = next(iter(step.representations.values())) * 10
    losses = {
        task: torch.nn.functional.binary_cross_entropy_with_logits(
            blown @ heads[place] / 10, labels[:, place]
        )
        for place, task in enumerate(step.losses)
    }
    large = step._replace(losses=losses, representations=dict.fromkeys(losses, blown))
    for task in step.losses:
        ratio, normalised = GradientNorm(form="ratio"), GradientNorm(form="normalised")
        assert ratio.value(large, task).item() == pytest.approx(
            ratio.value(step, task).item() / 100
        )
        assert normalised.value(large, task).item() == pytest.approx(
            normalised.value(step, task).item()
        )


@pytest.mark.parametrize("form", FORMS)
def test_only_rows_that_count_are_measured(form: Form) -> None:
    """A task seen on three rows is as if there were no others."""
    parameters = parameters_of(GIVEN)
    step = step_of(GIVEN, parameters, number=2)
    seen = torch.arange(ROWS) < 3
    labels, heads = torch.tensor(GIVEN["y"]), torch.tensor(GIVEN["v"])
    losses = {
        task: torch.nn.functional.binary_cross_entropy_with_logits(
            step.representations[task][seen] @ heads[place], labels[seen, place]
        )
        for place, task in enumerate(step.losses)
    }
    masked = step._replace(losses=losses, rows=dict.fromkeys(losses, seen))
    few = {**GIVEN, "x": GIVEN["x"][:3], "y": GIVEN["y"][:3]}
    small = step_of(few, parameters, number=2)
    for task in losses:
        found, expected = (GradientNorm(form=form).value(s, task) for s in (masked, small))
        assert found.item() == pytest.approx(expected.item())


def test_a_task_that_does_not_reach_the_shared_network_has_no_penalty() -> None:
    parameters = parameters_of(GIVEN)
    step = step_of(GIVEN, parameters)
    own = torch.ones(2, requires_grad=True)
    beside = step._replace(losses={"task0": own.square().sum()})
    for penalty in (GradientNorm(), GradientNorm(form="plain"), RepresentationNorm()):
        (found,) = penalty.penalised(beside).values()
        assert found.item() == 2.0


def test_a_probe_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    parameters = parameters_of(GIVEN)
    GradientNorm().penalised(step_of(GIVEN, parameters))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("strength", [-1.0, float("nan"), float("inf")])
def test_a_strength_that_is_none_is_refused(strength: float) -> None:
    with pytest.raises(ConfigurationError, match=r"GradientNorm: `strength` must be at least 0, "):
        GradientNorm(strength=strength)


def test_a_form_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigurationError) as caught:
        GradientNorm(form="squared")  # type: ignore[arg-type]
    assert str(caught.value) == (
        "GradientNorm: `form` is one of 'normalised', 'ratio', 'plain'; got 'squared'."
    )
