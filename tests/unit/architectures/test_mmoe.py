from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from tests.unit.architectures import reference
from torch import Tensor
from torch.testing import assert_close

from plait.architectures import Encoded, MMoE, OMoE, SharedBottom, Widths
from plait.errors import ArchitectureError
from plait.modules import ExpertBank, SoftmaxGate
from plait.testing import ArchitectureContract

TASKS = ["click", "like", "buy"]


class TestMMoE(ArchitectureContract):
    def make(self, tasks: Sequence[str]) -> MMoE:
        return MMoE(Widths(main=12), tasks, num_experts=3, layers=(9, 4), dropout=0.1)


class TestOMoE(ArchitectureContract):
    def make(self, tasks: Sequence[str]) -> OMoE:
        return OMoE(Widths(main=12), tasks, num_experts=3, layers=(9, 4), dropout=0.1)


def layers_of(bank: torch.nn.Module) -> list[reference.Layers]:
    """The weights of each expert, for the reference."""
    assert isinstance(bank, ExpertBank)
    arrays = [
        (weight.detach().numpy(), bias.detach().numpy())
        for weight, bias in zip(bank.weights, bank.biases, strict=True)
    ]
    return [[(weight[e], bias[e]) for weight, bias in arrays] for e in range(bank.num_experts)]


def weight_of(gate: torch.nn.Module) -> reference.Array:
    assert isinstance(gate, SoftmaxGate)
    return gate.linear.weight.detach().numpy()


def randomise_biases(module: torch.nn.Module) -> None:
    for name, parameter in module.named_parameters():
        if "bias" in name:
            torch.nn.init.normal_(parameter)


def test_mmoe_is_the_paper_s_equation() -> None:
    mmoe = MMoE(Widths(main=6), TASKS, num_experts=4, layers=(7, 5)).double().eval()
    randomise_biases(mmoe)
    main = torch.randn(8, 6, dtype=torch.float64)
    outputs = mmoe.split(mmoe.share(Encoded(main)))
    gates = [weight_of(gate) for gate in mmoe.gates]
    for row, x in enumerate(main.numpy()):
        expected = reference.mmoe(x, layers_of(mmoe.experts), gates)
        for task, vector in zip(TASKS, expected, strict=True):
            np.testing.assert_allclose(outputs[task][row].detach(), vector, atol=1e-10, rtol=0)


def test_omoe_is_the_paper_s_equation_with_one_gate() -> None:
    omoe = OMoE(Widths(main=6), TASKS, num_experts=4, layers=(7, 5)).double().eval()
    randomise_biases(omoe)
    main = torch.randn(8, 6, dtype=torch.float64)
    outputs = omoe.split(omoe.share(Encoded(main)))
    for row, x in enumerate(main.numpy()):
        (vector,) = reference.mmoe(x, layers_of(omoe.experts), [weight_of(omoe.gate)])
        for task in TASKS:
            np.testing.assert_allclose(outputs[task][row].detach(), vector, atol=1e-10, rtol=0)


def test_mmoe_whose_gates_agree_is_omoe() -> None:
    mmoe, omoe = (kind(Widths(main=6), TASKS, dropout=0) for kind in (MMoE, OMoE))
    assert isinstance(mmoe, MMoE)
    assert isinstance(omoe, OMoE)
    mmoe.experts.load_state_dict(omoe.experts.state_dict())
    for gate in mmoe.gates:
        gate.load_state_dict(omoe.gate.state_dict())
    encoded = Encoded(torch.randn(4, 6))
    common = omoe.split(omoe.share(encoded))
    for task, output in mmoe.split(mmoe.share(encoded)).items():
        assert torch.equal(output, common[task])


@pytest.mark.parametrize("kind", [MMoE, OMoE])
def test_one_expert_is_a_shared_bottom(kind: type[MMoE | OMoE]) -> None:
    mixture = kind(Widths(main=6), TASKS, num_experts=1, layers=(7, 5), dropout=0)
    bottom = SharedBottom(Widths(main=6), TASKS, layers=(7, 5), dropout=0)
    copied: dict[str, Tensor] = {}
    for layer, (weight, bias) in enumerate(
        zip(mixture.experts.weights, mixture.experts.biases, strict=True)
    ):
        copied |= {f"linears.{layer}.weight": weight[0], f"linears.{layer}.bias": bias[0]}
    bottom.bottom.load_state_dict(copied)
    encoded = Encoded(torch.randn(4, 6))
    expected = bottom.split(bottom.share(encoded))
    for task, output in mixture.split(mixture.share(encoded)).items():
        assert torch.equal(output, expected[task])


def test_a_tasks_loss_moves_all_experts_and_its_own_gate_only() -> None:
    mmoe = MMoE(Widths(main=6), ["click", "like"], num_experts=2, layers=(5,), dropout=0)
    mmoe.split(mmoe.share(Encoded(torch.randn(4, 6))))["like"].sum().backward()
    click, like = mmoe.gates
    assert all(parameter.grad is None for parameter in click.parameters())
    assert all(parameter.grad is not None for parameter in like.parameters())
    gradient = mmoe.experts.weights[0].grad
    assert gradient is not None
    assert (gradient.abs().sum(dim=(1, 2)) > 0).all()


def test_case_58_gate_mass_shows_an_expert_that_no_task_uses() -> None:
    mmoe = MMoE(Widths(main=3), ["click", "like"], num_experts=3, layers=(5,))
    for gate in mmoe.gates:
        gate.load_state_dict({"linear.weight": torch.tensor([[9.0] * 3, [9.0] * 3, [-9.0] * 3])})
    masses = mmoe.gate_mass(Encoded(torch.ones(4, 3)))
    assert list(masses) == ["click", "like"]
    for mass in masses.values():
        assert mass == pytest.approx({"expert 0": 0.5, "expert 1": 0.5, "expert 2": 0.0})


def test_case_58_gate_mass_of_the_one_gate() -> None:
    omoe = OMoE(Widths(main=3), ["click", "like"], num_experts=2, layers=(5,))
    mass = omoe.gate_mass(Encoded(torch.zeros(4, 3)))
    assert mass == {"all tasks": {"expert 0": 0.5, "expert 1": 0.5}}


@pytest.mark.parametrize("kind", [MMoE, OMoE])
@pytest.mark.parametrize(("num_experts", "layers"), [(1, (3,)), (8, (4,)), (2, (8, 8, 8))])
def test_case_59_depth_and_number_of_experts_are_options(
    kind: type[MMoE | OMoE], num_experts: int, layers: tuple[int, ...]
) -> None:
    mixture = kind(Widths(main=6), TASKS, num_experts=num_experts, layers=layers)
    assert mixture.experts.num_experts == num_experts
    assert len(mixture.experts.weights) == len(layers)
    outputs = mixture.split(mixture.share(Encoded(torch.randn(4, 6))))
    assert_close(outputs["buy"].shape, torch.Size([4, layers[-1]]))


@pytest.mark.parametrize("kind", [MMoE, OMoE])
def test_no_expert_is_refused(kind: type[MMoE | OMoE]) -> None:
    with pytest.raises(ArchitectureError, match=r"`num_experts` must be at least 1, got 0"):
        kind(Widths(main=6), TASKS, num_experts=0)
