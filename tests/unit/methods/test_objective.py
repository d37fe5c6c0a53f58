"""The objective on whole models: what a step's gradient is, for whom, and with which draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.unit.makers import (
    BINARY_TASKS,
    PLENTY,
    TASKS,
    Data,
    gradients,
    make_data,
    make_model,
    same_bits,
    whole,
)
from torch import Tensor, nn
from torch.testing import assert_close

from plait.architectures import Architecture, Chain, Encoded, MMoE, Shared, Widths
from plait.balancing import Equal, Fixed
from plait.data.batch import Batch
from plait.methods import (
    FiniteDifference,
    GradientNorm,
    JointFeatureObjective,
    Penalty,
    RepresentationNorm,
    Step,
)
from plait.methods.objective import shared_parameters
from plait.models import MultiTaskModel
from plait.modules import compiled_blocks
from plait.testing import ObjectiveContract
from plait.training import Expected, Losses, Objective, Supervised

PENALTIES: tuple[Penalty, ...] = (
    FiniteDifference(radius=0.3),
    RepresentationNorm(strength=2.0),
    GradientNorm(strength=2.0),
    GradientNorm(strength=2.0, form="ratio"),
    GradientNorm(strength=2.0, form="plain"),
)


class TestFiniteDifference(ObjectiveContract):
    def make(self, model: MultiTaskModel) -> Objective:
        return JointFeatureObjective(_supervised(model), PENALTIES[0], min_positives=1)


class TestRepresentationNorm(ObjectiveContract):
    def make(self, model: MultiTaskModel) -> Objective:
        return JointFeatureObjective(_supervised(model), PENALTIES[1], min_positives=1)


class TestGradientNorm(ObjectiveContract):
    def make(self, model: MultiTaskModel) -> Objective:
        return JointFeatureObjective(
            _supervised(model), PENALTIES[2], min_positives=1, dense_l2=0.1, row_l2=0.1
        )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return make_data(tmp_path_factory.mktemp("data"), BINARY_TASKS)


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return make_data(tmp_path_factory.mktemp("every"), TASKS)


def _supervised(model: MultiTaskModel, *, key_l2: float = 0.0) -> Supervised:
    return Supervised(dict.fromkeys(model.tasks, Expected(1.0)), key_l2=key_l2)


def noisy(data: Data) -> MultiTaskModel:
    """A model with everything random in training that there is."""
    return make_model(data, dropout=0.3, id_dropout=0.3, unknown_rate=0.2).train()


def gradient_of(
    objective: Objective,
    model: MultiTaskModel,
    batch: Batch,
    *,
    weights: Mapping[str, float] | None = None,
    seed: int = 0,
) -> tuple[dict[str, Tensor], Losses]:
    """Gradients of one step under a seed, and its losses."""
    model.zero_grad()
    torch.manual_seed(seed)
    losses = objective.losses(model, batch, 0)
    balancer = Equal() if weights is None else Fixed(weights=weights)
    balancer.backward(losses.tasks, losses.penalty)
    return gradients(model), losses


def literal(
    model: MultiTaskModel,
    batch: Batch,
    *,
    radius: float,
    alpha: float,
    climbing: tuple[str, ...],
    weights: Mapping[str, float],
    seed: int = 0,
) -> dict[str, Tensor]:
    """The two passes one after the other, the parameters moved in place and moved back."""
    plain = _supervised(model)

    def pulled(factors: Mapping[str, float]) -> dict[str, Tensor]:
        model.zero_grad()
        torch.manual_seed(seed)
        losses = plain.losses(model, batch, 0).tasks
        torch.stack([losses[task] * factor for task, factor in factors.items()]).sum().backward()
        return gradients(model)

    shared = shared_parameters(model)
    slope = pulled(dict.fromkeys(climbing, 1.0))
    norm = torch.cat([slope[name].flatten() for name in shared if name in slope]).norm()
    here = pulled(dict(weights))
    inside = pulled({task: weights[task] for task in climbing})
    start = {name: parameter.detach().clone() for name, parameter in shared.items()}
    with torch.no_grad():
        for name, parameter in shared.items():
            if name in slope:
                parameter.add_(slope[name] * (radius / norm))
    there = pulled({task: weights[task] for task in climbing})
    with torch.no_grad():
        for name, parameter in shared.items():
            parameter.copy_(start[name])
    zero = dict.fromkeys(here, torch.tensor(0.0))
    return {
        name: value + alpha * ({**zero, **there}[name] - {**zero, **inside}[name])
        for name, value in here.items()
    }


@pytest.mark.parametrize("weights", [{"click": 1.0, "like": 1.0}, {"click": 2.0, "like": 0.25}])
@pytest.mark.parametrize("alpha", [0.5, 1.0])
def test_a_step_is_the_mixture_of_two_passes_with_the_same_draws(
    data: Data, weights: dict[str, float], alpha: float
) -> None:
    """Dropout, dropped ids and unknown ids are those of the first pass; balancers weigh both."""
    model, batch = noisy(data), whole(data.train)
    objective = JointFeatureObjective(
        _supervised(model), FiniteDifference(radius=0.5, alpha=alpha), min_positives=1
    )
    found, _ = gradient_of(objective, model, batch, weights=weights)
    expected = literal(
        model, batch, radius=0.5, alpha=alpha, climbing=("click", "like"), weights=weights
    )
    supervised, _ = gradient_of(_supervised(model), model, batch, weights=weights)
    assert set(found) == set(expected)
    for name, gradient in found.items():
        assert_close(gradient, expected[name], rtol=1e-4, atol=1e-6, msg=name)
    moved = [name for name in found if not torch.allclose(found[name], supervised[name], atol=1e-5)]
    assert any(name.startswith("architecture.") for name in moved)


@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
def test_losses_and_draws_are_those_of_supervised_training(data: Data, penalty: Penalty) -> None:
    model, batch = noisy(data), whole(data.train)
    _, plain = gradient_of(_supervised(model), model, batch)
    after = torch.get_rng_state()
    objective = JointFeatureObjective(_supervised(model), penalty, min_positives=1)
    _, losses = gradient_of(objective, model, batch)
    assert torch.equal(torch.get_rng_state(), after)
    assert same_bits(losses.tasks, plain.tasks)


@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
def test_the_weights_of_a_step_are_left_as_they_were(data: Data, penalty: Penalty) -> None:
    model, batch = noisy(data), whole(data.train)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    gradient_of(JointFeatureObjective(_supervised(model), penalty), model, batch)
    assert same_bits(dict(model.state_dict()), before)


@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
def test_a_loss_has_its_own_part_of_the_penalty(data: Data, penalty: Penalty) -> None:
    """Gradients of single tasks add up to that of their sum: a rule may weigh them as it likes."""
    model, batch = make_model(data), whole(data.train)
    objective = JointFeatureObjective(_supervised(model), penalty, min_positives=1)
    together, _ = gradient_of(objective, model, batch)
    parts = [
        gradient_of(objective, model, batch, weights={**dict.fromkeys(model.tasks, 0.0), task: 1.0})
        for task in model.tasks
    ]
    for name, gradient in together.items():
        summed = sum(part[name] for part, _ in parts if name in part)
        assert isinstance(summed, Tensor)
        assert_close(summed, gradient, rtol=1e-3, atol=1e-6, msg=name)


def test_tables_are_no_part_of_the_penalised_parameters(data: Data) -> None:
    model = make_model(data, architecture=MMoE)
    names = set(shared_parameters(model))
    assert names == {name for name, _ in model.named_parameters() if name.startswith("archi")}
    assert not any("table" in name or "storage" in name for name in names)


@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
def test_gradients_of_tables_stay_row_sparse(data: Data, penalty: Penalty) -> None:
    model, batch = make_model(data).train(), data.train.batch(slice(0, 40))
    losses = JointFeatureObjective(_supervised(model), penalty, min_positives=1).losses(
        model, batch, 0
    )
    Equal().backward(losses.tasks, losses.penalty)
    for storage in model.table_parameters():
        assert storage.grad is not None
        assert storage.grad.is_sparse


@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
def test_where_no_gradients_are_kept_there_is_no_penalty(data: Data, penalty: Penalty) -> None:
    """A rule that looks at the losses again after a step compares like with like."""
    model, batch = make_model(data), whole(data.train)
    with torch.no_grad():
        losses = JointFeatureObjective(_supervised(model), penalty).losses(model, batch, 0)
        plain = _supervised(model).losses(model, batch, 0)
    assert same_bits(losses.tasks, plain.tasks)


def _few_likes(data: Data, positives: int) -> Batch:
    batch = whole(data.train)
    places = (batch.observed["like"] & (batch.labels["like"] > 0)).nonzero().flatten()
    seen = batch.observed["like"].clone()
    seen[places[positives:]] = False
    return replace(batch, observed={**batch.observed, "like": seen})


@pytest.mark.parametrize(("positives", "climbing"), [(9, ("click",)), (10, ("click", "like"))])
def test_a_task_with_too_few_positives_is_left_out_of_the_penalty(
    data: Data, positives: int, climbing: tuple[str, ...]
) -> None:
    model, batch = make_model(data), _few_likes(data, positives)
    objective = JointFeatureObjective(_supervised(model), FiniteDifference(radius=0.5))
    found, _ = gradient_of(objective, model, batch)
    expected = literal(
        model,
        batch,
        radius=0.5,
        alpha=0.5,
        climbing=climbing,
        weights={"click": 1.0, "like": 1.0},
    )
    for name, gradient in found.items():
        assert_close(gradient, expected[name], rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
def test_with_too_few_positives_everywhere_the_step_is_supervised(
    data: Data, penalty: Penalty
) -> None:
    model, batch = noisy(data), whole(data.train)
    objective = JointFeatureObjective(_supervised(model), penalty, min_positives=1_000)
    found, _ = gradient_of(objective, model, batch)
    assert same_bits(found, gradient_of(_supervised(model), model, batch)[0])


@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
def test_a_row_that_is_not_observed_changes_nothing(data: Data, penalty: Penalty) -> None:
    """The gradient of a batch in which `like` is seen on some rows knows nothing of the others."""
    model, batch = make_model(data), whole(data.train)
    objective = JointFeatureObjective(_supervised(model), penalty, min_positives=1)
    hidden = ~batch.observed["like"]
    assert hidden.any()
    labels = torch.where(hidden, 1 - batch.labels["like"], batch.labels["like"])
    other = replace(batch, labels={**batch.labels, "like": labels})
    found, _ = gradient_of(objective, model, batch)
    assert same_bits(found, gradient_of(objective, model, other)[0])


@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
def test_rows_of_weight_zero_count_as_not_observed(data: Data, penalty: Penalty) -> None:
    model, batch = make_model(data), whole(data.train)
    objective = JointFeatureObjective(_supervised(model), penalty, min_positives=5)
    out = torch.arange(len(batch)) >= 60
    weights = {**batch.weights, "like": batch.weights["like"].masked_fill(out, 0.0)}
    observed = {**batch.observed, "like": batch.observed["like"] & ~out}
    found, _ = gradient_of(objective, model, replace(batch, weights=weights))
    expected, _ = gradient_of(objective, model, replace(batch, observed=observed))
    for name, gradient in found.items():
        assert_close(gradient, expected[name], msg=name)


@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
def test_a_task_that_is_absent_is_harmless(data: Data, penalty: Penalty) -> None:
    model, batch = make_model(data), whole(data.train)
    gone = torch.zeros(len(batch), dtype=torch.bool)
    alone = replace(batch, observed={**batch.observed, "like": gone})
    objective = JointFeatureObjective(_supervised(model), penalty, min_positives=1)
    found, losses = gradient_of(objective, model, alone)
    assert list(losses.tasks) == ["click"]
    assert found
    assert all(gradient.isfinite().all() for gradient in found.values())
    assert not any("of_like" in name for name in found)


@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
def test_a_loss_that_is_not_finite_is_left_to_the_guard(data: Data, penalty: Penalty) -> None:
    """It neither climbs nor spoils the other tasks."""

    class Broken(Supervised):
        def task_losses(
            self,
            model: MultiTaskModel,
            representations: Mapping[str, Tensor],
            batch: Batch,
            step: int = 0,
        ) -> dict[str, Tensor]:
            found = super().task_losses(model, representations, batch)
            return {**found, "like": found["like"] * float("nan")}

    model, batch = make_model(data), whole(data.train)
    broken = Broken(dict.fromkeys(model.tasks, Expected(1.0)))
    losses = JointFeatureObjective(broken, penalty, min_positives=1).losses(model, batch, 0).tasks
    assert losses["like"].isnan()
    Equal().backward({"click": losses["click"]}, None)
    found = gradients(model)
    gone = torch.zeros(len(batch), dtype=torch.bool)
    alone = replace(batch, observed={**batch.observed, "like": gone})
    objective = JointFeatureObjective(_supervised(model), penalty, min_positives=1)
    assert same_bits(found, gradient_of(objective, model, alone)[0])


@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
def test_every_kind_of_task_can_be_penalised(every: Data, penalty: Penalty) -> None:
    """Losses of all heads can be differentiated twice."""
    model, batch = make_model(every), whole(every.train)
    plain, _ = gradient_of(_supervised(model), model, batch)
    for task in model.tasks:
        alone = {**dict.fromkeys(model.tasks, 0.0), task: 1.0}
        objective = JointFeatureObjective(_supervised(model), penalty, min_positives=1)
        found, losses = gradient_of(objective, model, batch, weights=alone)
        assert set(losses.tasks) == set(model.tasks)
        assert all(gradient.isfinite().all() for gradient in found.values()), task
        plain, _ = gradient_of(_supervised(model), model, batch, weights=alone)
        assert any(not torch.equal(found[name], plain[name]) for name in plain), task


def test_a_chain_pulls_at_both_representations(tmp_path: Path) -> None:
    """The child's loss depends on the parent's tower, so the bound counts both representations."""
    tasks = [BINARY_TASKS[0], replace(BINARY_TASKS[1], name="buy")]
    found = make_data(tmp_path, tasks)
    chain = Chain(parent="click", child="buy")
    model = make_model(found, architecture=MMoE, links=[chain]).eval()
    batch = whole(found.train)
    losses = _supervised(model).losses(model, batch, 0)
    assert losses.trace is not None
    slopes = torch.autograd.grad(
        losses.tasks["buy"], list(losses.trace.representations.values()), retain_graph=True
    )
    width = model.architecture.out_features
    by_hand = len(batch) * sum(float(slope[:, :width].square().sum()) for slope in slopes)
    assert float(slopes[0].abs().sum()) > 0
    asked = {}

    class Watched(RepresentationNorm):
        def value(self, step: Step, task: str) -> Tensor:
            found = super().value(step, task)
            asked[task] = found.item()
            return found

    JointFeatureObjective(_supervised(model), Watched(), min_positives=1).losses(model, batch, 0)
    assert asked["buy"] == pytest.approx(by_hand, rel=1e-4)


class _Normed(Architecture):
    """A network whose batch normalisation keeps running means."""

    def __init__(self, widths: Widths, tasks: tuple[str, ...]) -> None:
        super().__init__(widths, tasks)
        self.layers = nn.Sequential(nn.Linear(widths.main, 5), nn.BatchNorm1d(5))

    @property
    def out_features(self) -> int:
        return 5

    def share(self, encoded: Encoded) -> Shared:
        return Shared((self.layers(encoded.main),))

    def split(self, shared: Shared) -> dict[str, Tensor]:
        return dict.fromkeys(self.tasks, shared.experts[0])


def test_running_means_are_those_of_the_first_pass(data: Data) -> None:
    batch = whole(data.train)
    states = []
    for radius in (0.0, 5.0):
        model = make_model(data, architecture=_Normed).train()
        objective = JointFeatureObjective(_supervised(model), FiniteDifference(radius=radius))
        objective.losses(model, batch, 0)
        states.append({n: b.clone() for n, b in model.named_buffers() if "layers" in n})
    assert same_bits(*states)
    assert states[0]["architecture.layers.1.num_batches_tracked"] == 1


def test_half_the_squares_of_dense_parameters_and_looked_up_rows_are_added(data: Data) -> None:
    model, batch = make_model(data), whole(data.train)
    fields = model.lookup(batch)
    looked_up = [v for v in fields.vectors.values() if v.requires_grad]
    assert 0 < len(looked_up) < len(fields.vectors)
    rows = sum(float(v.detach().square().sum()) for v in looked_up)
    rows += sum(float(found.values.detach().square().sum()) for found in fields.lists.values())
    dense = sum(float(p.detach().square().sum()) for p in shared_parameters(model).values())
    keys = _supervised(model, key_l2=0.4).losses(model, batch, 0).penalty
    assert keys is not None
    for penalty in (FiniteDifference(), FiniteDifference(radius=0.0)):
        objective = JointFeatureObjective(
            _supervised(model, key_l2=0.4), penalty, dense_l2=0.2, row_l2=0.6
        )
        found = objective.losses(model, batch, 0).penalty
        assert found is not None
        expected = float(keys.detach()) + 0.1 * dense + 0.3 * rows / len(batch)
        assert found.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("radius", [0.0, 0.3])
def test_the_squares_of_rows_are_the_same_where_short_tables_are_looked_up(
    tmp_path: Path, radius: float
) -> None:
    data = make_data(tmp_path, BINARY_TASKS, schema=PLENTY)
    model, batch = make_model(data, architecture=MMoE), whole(data.train)
    model.unknown_rate = 0.0
    objective = JointFeatureObjective(
        _supervised(model), FiniteDifference(radius=radius), row_l2=0.6
    )
    found = []
    for compiled in (False, True):
        with compiled_blocks(allowed=compiled):
            assert (model.trace(batch).fields.short is not None) == compiled
            penalty = objective.losses(model, batch, 0).penalty
        assert penalty is not None
        model.zero_grad()
        penalty.backward()
        moved = {n: p.grad.to_dense() for n, p in model.named_parameters() if p.grad is not None}
        found.append({"penalty": penalty.detach(), **moved})
    assert found[0].keys() == found[1].keys()
    for name, tensor in found[0].items():
        assert_close(found[1][name], tensor, atol=1e-7, rtol=1e-4, msg=name)


def test_the_squares_of_rows_move_rows_of_the_batch_alone(data: Data) -> None:
    model, batch = make_model(data), data.train.batch(slice(0, 3))
    objective = JointFeatureObjective(_supervised(model), FiniteDifference(), row_l2=1.0)
    Equal().backward({}, objective.losses(model, batch, 0).penalty)
    moved = gradients(model)
    tables = {id(parameter) for parameter in model.table_parameters()}
    names = {n for n, parameter in model.named_parameters() if id(parameter) in tables}
    assert set(moved) == names
    (name,) = (n for n in names if n == "tables.storages.4")
    touched = set(moved[name].abs().sum(dim=1).nonzero().flatten().tolist())
    expected = set()
    for place, column in enumerate(model.layout.ids):
        width, rows = model.tables.rows_of(column.table)
        if width == "4":
            expected |= {rows.start + int(i) for i in batch.ids[:, place]}
    for column in model.layout.lists:
        width, rows = model.tables.rows_of(column.table)
        if width == "4":
            expected |= {rows.start + int(i) for i in batch.lists[column.name].values}
    assert touched == expected


def test_without_tables_there_are_no_rows_to_hold(data: Data) -> None:
    objective = JointFeatureObjective(_supervised(make_model(data)), FiniteDifference(), row_l2=1.0)
    model, batch = make_model(data), data.train.batch(slice(0, 3))
    for storage in model.table_parameters():
        storage.requires_grad_(requires_grad=False)
    assert objective.losses(model, batch, 0).penalty is None
