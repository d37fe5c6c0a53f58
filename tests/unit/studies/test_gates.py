"""The use of experts: shares, dead experts, collapsed gates."""

from __future__ import annotations

import pytest
import torch
from tests.unit.makers import make_data, make_model

from plait.architectures import PLE, MMoE
from plait.studies.gates import GateUse, collapsed_gates, dead_experts, gate_use
from plait.studies.opened import OpenedRun


def test_the_shares_of_a_gate_are_those_of_the_architecture(run: OpenedRun) -> None:
    model, store = run.model, run.judged
    batch = store.batch(slice(None))
    assert isinstance(model.architecture, MMoE)
    with torch.inference_mode():
        wanted = model.architecture.gate_mass(model.encode(model.lookup(batch)))
    found = gate_use(model, store)
    assert [use.gate for use in found] == ["click", "buy", "stars", "mood"]
    for use in found:
        assert use.shares == pytest.approx(wanted[use.gate], abs=1e-6)
        assert sum(use.shares.values()) == pytest.approx(1.0)


def test_levels_of_experts_are_told_apart(tmp_path_factory: pytest.TempPathFactory) -> None:
    data = make_data(tmp_path_factory.mktemp("gates"))
    model = make_model(data, architecture=PLE).eval()
    uses = gate_use(model, data.valid)
    assert {use.level for use in uses} == {"level 1", "level 2"}
    assert {use.gate for use in uses if use.level == "level 1"} == {*model.tasks, "shared"}


def test_a_network_without_gates_has_no_use(tmp_path_factory: pytest.TempPathFactory) -> None:
    data = make_data(tmp_path_factory.mktemp("plain"))
    assert gate_use(make_model(data), data.valid) == ()


def test_an_expert_is_dead_only_where_every_gate_leaves_it() -> None:
    uses = [
        GateUse("", "click", {"expert 0": 0.98, "expert 1": 0.01, "expert 2": 0.01}),
        GateUse("", "like", {"expert 0": 0.5, "expert 1": 0.49, "expert 2": 0.01}),
    ]
    assert dead_experts(uses) == ("expert 2",)
    assert collapsed_gates(uses) == ("click",)


def test_experts_of_one_name_on_two_levels_are_two_experts() -> None:
    uses = [
        GateUse("level 1", "click", {"shared 0": 0.99, "shared 1": 0.01}),
        GateUse("level 2", "click", {"shared 0": 0.5, "shared 1": 0.5}),
    ]
    assert dead_experts(uses) == ("level 1, shared 1",)
    assert collapsed_gates(uses) == ("level 1, click",)


def test_a_gate_over_one_expert_has_not_collapsed() -> None:
    assert collapsed_gates([GateUse("", "click", {"expert 0": 1.0})]) == ()
