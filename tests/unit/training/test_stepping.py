"""One step: schedules in closed form, clipping, rates by task, decay by parameter."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from tests.unit.makers import BINARY_TASKS, Data, make_data, make_model, whole
from torch.testing import assert_close

from plait.models import MultiTaskModel
from plait.training import Training
from plait.training.stepping import Stepper

PLAIN = Training(learning_rate=0.5, table_learning_rate=0.25, average=0.0, weight_decay=0.0)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return make_data(tmp_path_factory.mktemp("data"), BINARY_TASKS, rows=40, valid_rows=20)


def give_gradients(model: MultiTaskModel, data: Data, *, factor: float = 1.0) -> None:
    model.zero_grad()
    parameters = model.train()(whole(data.train))
    terms = [factor * found.square().mean() for found in parameters.values()]
    torch.stack(terms).sum().backward()


def rates(data: Data, settings: Training, steps: int) -> list[tuple[float, float]]:
    """The dense and the table rate of each step."""
    model = make_model(data)
    stepper = Stepper(model, settings, total_steps=steps)
    found = []
    for _ in range(steps):
        give_gradients(model, data)
        stepper.step()
        found.append((stepper._dense.lr, stepper._rows.lr))
    return found


@pytest.mark.parametrize(
    ("schedule", "decay"),
    [
        ("constant", lambda progress: 1.0),
        ("linear", lambda progress: 1 - 0.9 * progress),
        ("cosine", lambda progress: 0.1 + 0.9 * (1 + math.cos(math.pi * progress)) / 2),
    ],
)
def test_rates_follow_their_schedule_after_the_warm_up(
    data: Data, schedule: str, decay: Callable[[float], float]
) -> None:
    settings = replace(PLAIN, schedule=schedule, warmup_steps=3)
    for step, (dense, table) in enumerate(rates(data, settings, 10)):
        factor = decay(max(0, step - 3) / 7)
        warm = min(1.0, (step + 1) / 3)
        assert_close(dense, 0.5 * warm * factor)
        assert_close(table, 0.25 * factor)


def test_rates_stay_at_a_tenth_after_the_last_step(data: Data) -> None:
    settings = replace(PLAIN, schedule="linear")
    model = make_model(data)
    stepper = Stepper(model, settings, total_steps=2)
    for _ in range(5):
        give_gradients(model, data)
        stepper.step()
    assert_close(stepper._dense.lr, 0.05)


def dense_norm(model: MultiTaskModel) -> float:
    tables = {id(parameter) for parameter in model.table_parameters()}
    squares = [
        parameter.grad.square().sum()
        for parameter in model.parameters()
        if parameter.grad is not None and id(parameter) not in tables
    ]
    return float(torch.stack(squares).sum().sqrt())


def test_the_dense_gradient_is_clipped_and_that_of_the_tables_is_not(data: Data) -> None:
    model = make_model(data)
    give_gradients(model, data, factor=1000.0)
    assert dense_norm(model) > 1.0
    before = [p.grad.to_dense() for p in model.table_parameters() if p.grad is not None]
    Stepper(model, replace(PLAIN, clip_norm=0.5), total_steps=1).step()
    assert_close(dense_norm(model), 0.5, rtol=1e-4, atol=0)
    after = [p.grad.to_dense() for p in model.table_parameters() if p.grad is not None]
    for clipped, given in zip(after, before, strict=True):
        assert_close(clipped, given)


def test_a_tasks_tower_is_moved_at_its_own_rate(data: Data) -> None:
    moved = {}
    for multiplier in (1.0, 3.0):
        tasks = [replace(data.tasks[0], learning_rate_multiplier=multiplier), data.tasks[1]]
        model = make_model(data, tasks=tasks)
        before = {name: p.detach().clone() for name, p in model.named_parameters()}
        stepper = Stepper(model, replace(PLAIN, learning_rate=0.01), total_steps=1)
        give_gradients(model, data)
        stepper.step()
        moved[multiplier] = {n: p.detach() - before[n] for n, p in model.named_parameters()}
    for name, change in moved[3.0].items():
        is_own = name.startswith("towers.of_click.") and ".biases." not in name
        factor = 3.0 if is_own else 1.0
        assert_close(change, factor * moved[1.0][name], rtol=1e-3, atol=1e-7, msg=name)


def test_biases_and_tables_do_not_decay(data: Data) -> None:
    settings = Training(learning_rate=0.1, weight_decay=0.5, average=0.0)
    model = make_model(data)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(1.0)
    stepper = Stepper(model, settings, total_steps=1)
    tables = {id(parameter) for parameter in model.table_parameters()}
    for parameter in model.parameters():
        if id(parameter) not in tables:
            parameter.grad = torch.zeros_like(parameter)
    stepper.step()
    for name, parameter in model.named_parameters():
        expected = 0.95 if parameter.ndim > 1 and id(parameter) not in tables else 1.0
        assert_close(parameter.detach(), torch.full_like(parameter, expected), msg=name)


def test_forgotten_gradients_are_gone(data: Data) -> None:
    model = make_model(data)
    stepper = Stepper(model, PLAIN, total_steps=1)
    give_gradients(model, data)
    stepper.zero_grad()
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_step_without_gradients_is_harmless(data: Data) -> None:
    model = make_model(data)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    stepper = Stepper(model, replace(PLAIN, average=0.9), total_steps=1)
    stepper.step()
    stepper.adopt_average()
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_its_state_goes_on_with_the_same_bits(data: Data) -> None:
    settings = replace(PLAIN, learning_rate=0.01, average=0.9)
    model, again = make_model(data), make_model(data)
    stepper = Stepper(model, settings, total_steps=4)
    for _ in range(2):
        give_gradients(model, data)
        stepper.step()
    state = {name: tensor.clone() for name, tensor in stepper.state_dict().items()}
    again.load_state_dict(model.state_dict())
    resumed = Stepper(again, settings, total_steps=4)
    resumed.load_state_dict(state, steps=2)
    for each, with_stepper in ((model, stepper), (again, resumed)):
        give_gradients(each, data)
        with_stepper.step()
        with_stepper.adopt_average()
    found = again.state_dict()
    assert all(torch.equal(tensor, found[name]) for name, tensor in model.state_dict().items())
