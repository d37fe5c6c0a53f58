"""The method: the bits of supervised training at λ = 0, every structure, bad settings."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from tests.unit.makers import BINARY_TASKS, SMALL, TASKS, Data, make_data, make_model, same_bits
from torch import Tensor

from plait.architectures import (
    CGC,
    PLE,
    Chain,
    Link,
    MMoE,
    OMoE,
    SharedBottom,
    SingleTask,
)
from plait.balancing import BaseRate
from plait.data.batch import Batch
from plait.errors import ArgumentTypeError, ConfigurationError, TrainingInterrupted
from plait.methods import (
    FiniteDifference,
    GradientNorm,
    JointFeatureObjective,
    JointFeatures,
    Penalty,
    RepresentationNorm,
)
from plait.methods.objective import shared_parameters
from plait.models import ArchitectureFactory, MultiTaskModel
from plait.tasks import Binary, Count
from plait.testing.examples import small_batch, small_model
from plait.training import Callback, Expected, StepReport, Supervised, Trainer, Training

FIFTY = Training(
    max_steps=50,
    epochs=99,
    batch_size=40,
    average=0.9,
    evaluate_steps=25,
    patience=99,
    seed=3,
    checkpoint_seconds=1e9,
)

STRUCTURES: dict[str, tuple[ArchitectureFactory, Sequence[Link]]] = {
    "shared bottom": (partial(SharedBottom, layers=(8, 4)), ()),
    "single task": (partial(SingleTask, layers=(8, 4)), ()),
    "one gate": (partial(OMoE, num_experts=2, layers=(8, 4)), ()),
    "mixture": (partial(MMoE, num_experts=2, layers=(8, 4)), ()),
    "customised gates": (partial(CGC, layers=(8, 4)), ()),
    "levels": (partial(PLE, layers=(8, 4)), ()),
    "chain": (partial(MMoE, layers=(8, 4)), (Chain(parent="click", child="buy"),)),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    tasks = (Binary("click"), Binary("like"), Binary("buy"))
    return make_data(tmp_path_factory.mktemp("data"), tasks)


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return make_data(tmp_path_factory.mktemp("every"), TASKS)


@pytest.fixture(scope="module")
def supervised(every: Data) -> dict[str, Tensor]:
    """The weights after fifty steps of supervised training."""
    model = noisy(every)
    Trainer(model, FIFTY).fit(every.train, every.valid)
    return state_of(model)


class StopAt(Callback):
    """Asks the run to stop after some steps."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, report: StepReport) -> None:
        if report.step == self.step:
            os.kill(os.getpid(), signal.SIGTERM)


def noisy(data: Data, **more: object) -> MultiTaskModel:
    return make_model(data, dropout=0.2, id_dropout=0.1, unknown_rate=0.05, **more)  # type: ignore[arg-type]


def state_of(model: MultiTaskModel) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize(
    "penalty",
    [
        FiniteDifference(radius=0.0),
        FiniteDifference(alpha=0.0),
        RepresentationNorm(strength=0.0),
        GradientNorm(strength=0.0),
    ],
    ids=repr,
)
def test_with_lambda_zero_fifty_steps_have_the_bits_of_supervised_training(
    every: Data, supervised: dict[str, Tensor], penalty: Penalty
) -> None:
    model = noisy(every)
    method = JointFeatures(penalty=penalty)
    history = method.fit(model, every.train, every.valid, settings=FIFTY)
    assert history.evaluations[-1].step == 50
    assert same_bits(state_of(model), supervised)


def test_a_penalty_changes_the_weights(data: Data) -> None:
    supervised, joint = noisy(data), noisy(data)
    settings = replace(FIFTY, max_steps=3)
    Trainer(supervised, settings).fit(data.train)
    JointFeatures().fit(joint, data.train, None, settings=settings)
    assert not same_bits(state_of(joint), state_of(supervised))


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize(
    "penalty",
    [FiniteDifference(radius=0.2), RepresentationNorm(strength=0.3), GradientNorm(strength=0.3)],
    ids=lambda penalty: type(penalty).__name__,
)
def test_every_structure_trains_and_resumes_to_the_same_bits(
    data: Data, tmp_path: Path, structure: str, penalty: Penalty
) -> None:
    architecture, links = STRUCTURES[structure]
    twenty = replace(FIFTY, max_steps=20, evaluate_steps=10)
    method = JointFeatures(penalty=penalty, min_positives=3, row_l2=1e-4)

    def run(folder: Path, *callbacks: Callback) -> tuple[MultiTaskModel, dict[str, int]]:
        model = noisy(data, architecture=architecture, links=links)
        history = method.fit(
            model,
            data.train,
            data.valid,
            settings=twenty,
            balancer=BaseRate(),
            callbacks=callbacks,
            folder=folder,
        )
        return model, history.skipped

    whole, skipped = run(tmp_path / "whole")
    assert skipped == {}
    assert all(parameter.isfinite().all() for parameter in whole.parameters())
    with pytest.raises(TrainingInterrupted):
        run(tmp_path / "stopped", StopAt(13))
    resumed, _ = run(tmp_path / "stopped")
    assert same_bits(state_of(resumed), state_of(whole))


def _double(batch: Batch) -> Batch:
    return replace(
        batch,
        numbers=batch.numbers.double(),
        vectors={name: values.double() for name, values in batch.vectors.items()},
        labels={name: values.double() for name, values in batch.labels.items()},
    )


def _descend(model: MultiTaskModel, batch: Batch, penalty: Penalty, *, to: float) -> None:
    """Gradient descent until the sum of the losses is below `to`."""
    supervised = Supervised(dict.fromkeys(model.tasks, Expected(1.0)))
    objective = JointFeatureObjective(supervised, penalty, min_positives=1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for number in range(20_000):
        losses = objective.losses(model, batch, number).tasks
        total = torch.stack(list(losses.values())).sum()
        if total < to:
            return
        optimizer.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    pytest.fail(f"the losses are still {float(total.detach())}")


def _top_eigenvalue(model: MultiTaskModel, batch: Batch) -> float:
    """The largest of the Hessian of the losses by the shared parameters."""
    parameters = list(shared_parameters(model).values())
    losses = Supervised(dict.fromkeys(model.tasks, Expected(1.0))).losses(model, batch, 0).tasks
    total = torch.stack(list(losses.values())).sum()
    slopes = torch.autograd.grad(total, parameters, create_graph=True)
    flat = torch.cat([slope.flatten() for slope in slopes])
    rows = []
    for entry in flat:
        second = torch.autograd.grad(entry, parameters, retain_graph=True)
        rows.append(torch.cat([part.flatten() for part in second]))
    return float(torch.linalg.eigvalsh(torch.stack(rows))[-1])


@pytest.mark.parametrize(
    "penalty",
    [FiniteDifference(radius=1.0), GradientNorm(strength=1.0, form="plain")],
    ids=lambda penalty: type(penalty).__name__,
)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_penalty_finds_a_flatter_place_of_the_same_training_loss(
    penalty: Penalty, seed: int
) -> None:
    """By the largest eigenvalue of the Hessian, both at one training loss."""
    batch = _double(small_batch(rows=24, seed=seed))
    curvature = []
    for used in (FiniteDifference(radius=0.0), penalty):
        model = small_model(seed=seed).double().eval()
        _descend(model, batch, used, to=0.8)
        curvature.append(_top_eigenvalue(model, batch))
    assert curvature[1] < curvature[0]


def test_the_settings_are_plain_data() -> None:
    assert JointFeatures().to_json() == {
        "kind": "joint",
        "penalty": {"name": "FiniteDifference", "radius": 0.05, "alpha": 0.5},
        "min_positives": 10,
        "dense_l2": 0.0,
        "row_l2": 0.0,
    }
    plain = JointFeatures(penalty=GradientNorm(strength=3.0, form="plain"), min_positives=2)
    assert plain.to_json()["penalty"] == {"name": "GradientNorm", "strength": 3.0, "form": "plain"}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"min_positives": -1}, "`min_positives` must be at least 0, got -1"),
        ({"dense_l2": -0.5}, "`dense_l2` must be at least 0, got -0.5"),
        ({"row_l2": float("nan")}, "`row_l2` must be at least 0, got nan"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, float], said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        JointFeatures(**settings)  # type: ignore[arg-type]
    assert said in str(caught.value)


def test_a_name_in_the_place_of_a_penalty_is_refused() -> None:
    with pytest.raises(ArgumentTypeError, match=r"`penalty` got 'fd'; it takes a penalty, such"):
        JointFeatures(penalty="fd")  # type: ignore[arg-type]


def test_a_network_without_shared_layers_has_nothing_to_hold_back(data: Data) -> None:
    model = make_model(data, architecture=partial(SharedBottom, layers=()))
    with pytest.raises(ConfigurationError) as caught:
        JointFeatures().fit(model, data.train, None, settings=FIFTY)
    assert str(caught.value) == (
        "JointFeatures: SharedBottom has no dense shared parameters here, so there is nothing to "
        "hold back. Give it `layers`, or leave the method out."
    )
    free = JointFeatures(penalty=FiniteDifference(radius=0.0))
    free.objective(model, data.train, FIFTY)


def test_batches_in_which_no_task_can_take_part_are_refused(tmp_path: Path) -> None:
    data = make_data(tmp_path, BINARY_TASKS)
    model = make_model(data, architecture=SMALL)
    settings = replace(FIFTY, batch_size=4)
    with pytest.raises(ConfigurationError) as caught:
        JointFeatures().objective(model, data.train, settings)
    clicks = 4 * float(data.train.labels("click").mean())
    said = str(caught.value)
    assert said.startswith(f"JointFeatures: a batch of 4 rows is to bring {clicks:.1f} of 'click'")
    assert "fewer positives than `min_positives` = 10 take no part in the penalty" in said
    assert said.endswith("Raise `batch_size`, or lower `min_positives`.")
    JointFeatures(min_positives=2).objective(model, data.train, settings)


def test_a_task_that_has_no_positives_always_takes_part(tmp_path: Path) -> None:
    data = make_data(tmp_path, [BINARY_TASKS[0], Count("visits")])
    model = make_model(data)
    objective = JointFeatures().objective(model, data.train, replace(FIFTY, batch_size=2))
    batch = data.train.batch(slice(0, 2))
    losses = objective.supervised.losses(model, batch, 0).tasks
    assert [*objective._taking_part(model, batch, losses)] == ["visits"]
