"""Gates over any sharing structure: their equations, the identity at 1, gradients and reload."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from tests.unit.architectures import reference
from tests.unit.makers import BINARY_TASKS, SCENIC, SCHEMA, Data, make_data, make_model, whole
from tests.unit.models.encoding import check_cuts, check_gradients, shaken
from torch import Tensor, nn
from torch.testing import assert_close

from plait.architectures import (
    ARCHITECTURES,
    GATES,
    STEM,
    Architecture,
    Gate,
    MMoE,
    PersonalGates,
    ScenarioGate,
    SharedBottom,
)
from plait.artifact.content import build_model, model_settings
from plait.errors import ArchitectureError
from plait.models import MultiTaskModel
from plait.modules import MLP, GateUnit
from plait.modules import whole as in_one
from plait.tasks import Binary

BOTH: Sequence[Gate] = (ScenarioGate(width=3), PersonalGates(width=3))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    folder = tmp_path_factory.mktemp("gated")
    return make_data(folder, BINARY_TASKS, schema=SCENIC, rows=60, valid_rows=20)


def _gated(
    data: Data, kind: type[Architecture] = SharedBottom, gates: Sequence[Gate] = BOTH
) -> MultiTaskModel:
    structure = partial(kind, layers=(6, 5), dropout=0.0)
    return make_model(data, architecture=structure, gates=gates, factors=3, tower=(7, 4))


def _weights(linear: nn.Module) -> tuple[reference.Array, reference.Array]:
    assert isinstance(linear, nn.Linear)
    return linear.weight.detach().numpy(), linear.bias.detach().numpy()


def _gate(unit: nn.Module) -> reference.GateNU:
    assert isinstance(unit, GateUnit)
    inner = torch.cat(list(unit.weights), dim=1).detach().numpy()
    return reference.GateNU((inner, unit.bias.detach().numpy()), _weights(unit.outer))


def test_the_input_is_scaled_and_the_tower_bent_as_in_the_paper(data: Data) -> None:
    model = shaken(_gated(data)).double().eval()
    batch = whole(data.valid)
    batch = replace(
        batch,
        numbers=batch.numbers.double(),
        vectors={name: vector.double() for name, vector in batch.vectors.items()},
        lists={
            name: found._replace(
                weights=found.weights if found.weights is None else found.weights.double()
            )
            for name, found in batch.lists.items()
        },
    )
    fields = model.lookup(batch)
    bare = make_model(
        data, architecture=partial(SharedBottom, layers=(6, 5)), factors=3, tower=(7, 4)
    )
    bare.double().eval().load_state_dict(model.state_dict(), strict=False)
    before, after = bare.encode(fields), model.encode(fields)
    scenario_gate = model.gates[0]
    assert isinstance(scenario_gate, ScenarioGate)
    vectors = scenario_gate.scenarios.weight.detach().numpy()
    assert fields.scenario is not None
    prior = torch.cat([fields.runs["user_id",], fields.runs["item_id",]], dim=1).detach().numpy()
    deep = model.split(model.share(after))
    for row, x in enumerate(in_one(before.main).detach().numpy()):
        scaled = reference.epnet(x, vectors[fields.scenario[row]], _gate(scenario_gate.gate))
        np.testing.assert_allclose(in_one(after.main)[row].detach(), scaled, atol=1e-10, rtol=0)
        for task in model.tasks:
            tower = model.tower_of(task)
            (layer_gates,) = tower.layer_gates()
            gates = [_gate(unit) for unit in layer_gates.units]
            assert isinstance(tower.hidden, MLP)
            hidden = deep[task][row, :5].detach().numpy()
            for linear, gate in zip(tower.hidden.linears, gates, strict=True):
                read = np.concatenate([prior[row], scaled])
                hidden = reference.expert(hidden, [_weights(linear)]) * reference.gate_nu(
                    read, gate
                )
            weight, bias = _weights(tower.last)
            rest = tower(deep[task][row : row + 1])[0] - tower.last(torch.tensor(hidden))
            assert tower.factors is not None
            beside = tower.factors(deep[task][row : row + 1, 5 : 5 + tower.factors.in_features])[0]
            np.testing.assert_allclose(rest.detach(), beside.detach(), atol=1e-10, rtol=0)
            assert weight.shape[1] == len(hidden)
            assert bias.shape == (1,)


@pytest.mark.parametrize("kind", ARCHITECTURES, ids=lambda kind: kind.__name__)
def test_gates_at_1_are_the_bare_structure(kind: type[Architecture], data: Data) -> None:
    gated, bare = _gated(data, kind), _gated(data, kind, ())
    for module in gated.modules():
        if isinstance(module, GateUnit) and "architecture" not in _owner(gated, module):
            nn.init.zeros_(module.outer.weight)
    own = {name: tensor for name, tensor in gated.state_dict().items() if name in bare.state_dict()}
    bare.load_state_dict(own)
    expected = bare.eval()(whole(data.valid))
    for task, found in gated.eval()(whole(data.valid)).items():
        assert_close(found, expected[task], rtol=1e-6, atol=1e-7)


def _owner(model: MultiTaskModel, module: nn.Module) -> str:
    return next(name for name, each in model.named_modules() if each is module)


@pytest.mark.parametrize("kind", [SharedBottom, MMoE, STEM], ids=lambda kind: kind.__name__)
def test_cuts_gradients_and_reload(kind: type[Architecture], data: Data) -> None:
    model = shaken(_gated(data, kind)).eval()
    check_cuts(model, whole(data.valid))
    check_gradients(model, whole(data.train))
    settings = model_settings(model)
    assert [gate["name"] for gate in settings["gates"]] == [gate.__name__ for gate in GATES]
    again = build_model(settings)(data.train.layout, data.tasks).eval()
    again.load_state_dict(model.state_dict())
    for name, predicted in again.predict(whole(data.valid)).items():
        assert torch.equal(predicted, model.predict(whole(data.valid))[name])


def test_a_task_s_loss_moves_the_common_gate_and_its_own_tower_s_only(data: Data) -> None:
    model = _gated(data)
    model(whole(data.train))["like"].square().sum().backward()
    reached = {name for name, p in model.named_parameters() if p.grad is not None}
    assert any(name.startswith("gates.0.") for name in reached)
    assert any(name.startswith("towers.of_like.gates.") for name in reached)
    assert not any(name.startswith("towers.of_click.") for name in reached)


def test_gates_do_not_pull_at_what_they_read(data: Data) -> None:
    model = _gated(data, gates=(ScenarioGate(),)).eval()
    fields = model.lookup(whole(data.valid))
    scaled = in_one(model.encode(fields).main)
    found: Tensor = in_one(model.encode(fields).main).sum()
    (through,) = torch.autograd.grad(found, [fields.runs["user_id",]])
    bare = in_one(_gated(data, gates=()).eval().encode(fields).main)
    factors = (scaled / bare).nan_to_num(1.0).detach()
    place = int(torch.nonzero(bare[0] == fields.runs["user_id",][0, 0])[0])
    assert_close(through, factors[:, place : place + through.shape[1]])


def test_a_model_without_gates_is_written_down_as_ever(data: Data) -> None:
    assert "gates" not in model_settings(_gated(data, gates=()))


def test_what_is_missing_is_told_at_construction(
    data: Data, tmp_path_factory: pytest.TempPathFactory
) -> None:
    plain = make_data(tmp_path_factory.mktemp("plain"), BINARY_TASKS, schema=SCHEMA, rows=60)
    with pytest.raises(ArchitectureError, match=r"ScenarioGate needs scenarios.*role `scenario`"):
        make_model(plain, gates=[ScenarioGate()])
    with pytest.raises(ArchitectureError, match=r"PersonalGates scale hidden layers of towers"):
        make_model(data, gates=[PersonalGates()], tower=())
    strangers = tuple(replace(table, is_key=False) for table in data.train.layout.tables)
    layout = replace(data.train.layout, tables=strangers)
    with pytest.raises(ArchitectureError, match=r"PersonalGates needs a context.*`user` or `item`"):
        MultiTaskModel(layout, (Binary("click"),), gates=[PersonalGates()], factors=0)
    with pytest.raises(ArchitectureError, match=r"must be at least 1 wide, got 0"):
        make_model(data, gates=[PersonalGates(width=0)])
