from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from tests.unit.architectures import reference
from tests.unit.architectures.test_mmoe import randomise_biases
from torch import nn
from torch.testing import assert_close

from plait.architectures import Encoded, PEPNet, PPNet, SingleTask, Widths
from plait.architectures.pepnet import _Gated
from plait.errors import ArchitectureError
from plait.modules import MLP, GateUnit
from plait.testing import ArchitectureContract

TASKS = ["click", "like", "buy"]
WIDTHS = Widths(main=6, context=4, num_scenarios=3)


class TestPPNet(ArchitectureContract):
    def make(self, tasks: Sequence[str]) -> PPNet:
        return PPNet(WIDTHS, tasks, layers=(9, 8), gate_width=5, dropout=0.1)


class TestPEPNet(ArchitectureContract):
    def make(self, tasks: Sequence[str]) -> PEPNet:
        return PEPNet(WIDTHS, tasks, layers=(9, 8), gate_width=5, dropout=0.1)


def _weights(linear: nn.Module) -> tuple[reference.Array, reference.Array]:
    assert isinstance(linear, nn.Linear)
    return linear.weight.detach().numpy(), linear.bias.detach().numpy()


def _gate(unit: nn.Module) -> reference.GateNU:
    assert isinstance(unit, GateUnit)
    inner = torch.cat(list(unit.weights), dim=1).detach().numpy()
    return reference.GateNU((inner, unit.bias.detach().numpy()), _weights(unit.outer))


def _layers(network: nn.Module) -> list[tuple[reference.Array, reference.Array]]:
    assert isinstance(network, _Gated)
    return [_weights(layer.linears[0]) for layer in network.layers if isinstance(layer, MLP)]


def _encoded(dtype: torch.dtype = torch.float64) -> Encoded:
    return Encoded(
        torch.randn(8, 6, dtype=dtype),
        context=torch.randn(8, 4, dtype=dtype),
        scenario=torch.arange(8) % 3,
    )


@pytest.mark.parametrize("kind", [PPNet, PEPNet])
@pytest.mark.parametrize("layers", [(5,), (7, 5)])
def test_it_is_the_paper_s_equations(kind: type[PPNet], layers: tuple[int, ...]) -> None:
    pepnet = kind(WIDTHS, TASKS, layers=layers, gate_width=3).double().eval()
    randomise_biases(pepnet)
    encoded = _encoded()
    outputs = pepnet.split(pepnet.share(encoded))
    assert encoded.context is not None
    assert encoded.scenario is not None
    for row, x in enumerate(encoded.main.numpy()):
        if isinstance(pepnet, PEPNet):
            vectors = pepnet.scenarios.weight.detach().numpy()
            x = reference.epnet(x, vectors[encoded.scenario[row]], _gate(pepnet.gate))
        for task, network in zip(TASKS, pepnet.networks, strict=True):
            gates = [_gate(unit) for unit in network.gates]
            prior = encoded.context[row].numpy()
            expected = reference.ppnet(x, prior, _layers(network), gates)
            np.testing.assert_allclose(outputs[task][row].detach(), expected, atol=1e-10, rtol=0)


@pytest.mark.parametrize("kind", [PPNet, PEPNet])
def test_gates_at_1_are_the_bare_networks(kind: type[PPNet]) -> None:
    pepnet = kind(WIDTHS, TASKS, layers=(7, 5), dropout=0)
    single = SingleTask(WIDTHS, TASKS, layers=(7, 5), dropout=0)
    for module in pepnet.modules():
        if isinstance(module, GateUnit):
            nn.init.zeros_(module.outer.weight)
    for network, bare in zip(pepnet.networks, single.networks, strict=True):
        assert isinstance(network, _Gated)
        assert isinstance(bare, MLP)
        for layer, linear in zip(network.layers, bare.linears, strict=True):
            assert isinstance(layer, MLP)
            linear.load_state_dict(layer.linears[0].state_dict())
    encoded = _encoded(torch.float32)
    expected = single.split(single.share(encoded))
    for task, output in pepnet.split(pepnet.share(encoded)).items():
        assert_close(output, expected[task])


def test_gates_learn_the_prior_and_do_not_pull_at_the_input() -> None:
    pepnet = PEPNet(WIDTHS, TASKS, layers=(7, 5), dropout=0)
    encoded = _encoded(torch.float32)
    assert encoded.context is not None
    encoded.main.requires_grad_()
    encoded.context.requires_grad_()
    for network in pepnet.networks:
        # Networks that give zeros whatever they read: what is left are the roads through gates.
        assert isinstance(network, _Gated)
        for layer in network.layers:
            assert isinstance(layer, MLP)
            nn.init.zeros_(layer.linears[0].weight)
            nn.init.ones_(layer.linears[0].bias)
    outputs = pepnet.split(pepnet.share(encoded))
    torch.stack([output.sum() for output in outputs.values()]).sum().backward()
    assert encoded.main.grad is not None
    assert torch.equal(encoded.main.grad, torch.zeros(8, 6))
    assert encoded.context.grad is not None
    assert encoded.context.grad.abs().sum() > 0


def test_a_task_s_loss_moves_its_own_network_and_the_common_gate_only() -> None:
    pepnet = PEPNet(WIDTHS, ["click", "like"], layers=(7, 5), dropout=0)
    pepnet.split(pepnet.share(_encoded(torch.float32)))["like"].sum().backward()
    click, like = pepnet.networks
    assert all(parameter.grad is None for parameter in click.parameters())
    for part in (like, pepnet.gate, pepnet.scenarios):
        assert all(parameter.grad is not None for parameter in part.parameters())


def test_another_scenario_gives_another_prediction() -> None:
    pepnet = PEPNet(WIDTHS, TASKS, dropout=0).eval()
    encoded = _encoded(torch.float32)
    assert encoded.scenario is not None
    first = pepnet.split(pepnet.share(encoded))["click"]
    moved = encoded._replace(scenario=(encoded.scenario + 1) % 3)
    assert not torch.allclose(first, pepnet.split(pepnet.share(moved))["click"])


def test_what_the_schema_lacks_is_told_at_construction() -> None:
    with pytest.raises(ArchitectureError, match=r"PPNet needs a context.*`user` or `item`"):
        PPNet(Widths(main=6), TASKS)
    with pytest.raises(ArchitectureError, match=r"PEPNet needs scenarios.*role `scenario`"):
        PEPNet(Widths(main=6, context=4), TASKS)


def test_a_gate_without_width_is_refused() -> None:
    with pytest.raises(ArchitectureError, match=r"hidden layer must be at least 1 wide, got 0"):
        PPNet(WIDTHS, TASKS, gate_width=0)
