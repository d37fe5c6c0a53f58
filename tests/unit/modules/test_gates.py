from __future__ import annotations

import math

import pytest
import torch
from torch.testing import assert_close

from plait.modules import SoftmaxGate, mix


def test_weights_are_the_softmax_of_a_linear_map() -> None:
    gate = SoftmaxGate(1, 2)
    gate.load_state_dict({"linear.weight": torch.tensor([[0.0], [math.log(3.0)]])})
    assert_close(gate(torch.tensor([[1.0], [0.0]])), torch.tensor([[0.25, 0.75], [0.5, 0.5]]))


def test_a_gate_has_no_bias_unless_asked_and_then_starts_at_zero() -> None:
    assert list(SoftmaxGate(4, 2).state_dict()) == ["linear.weight"]
    assert_close(SoftmaxGate(4, 2, bias=True)(torch.zeros(1, 4)), torch.full((1, 2), 0.5))


def test_mass_is_the_mean_weight_and_needs_no_graph() -> None:
    gate = SoftmaxGate(3, 4)
    inputs = torch.randn(8, 3)
    mass = gate.mass(inputs)
    assert not mass.requires_grad
    assert_close(mass, gate(inputs).detach().mean(0))
    assert mass.sum().item() == pytest.approx(1.0)


@pytest.mark.parametrize("num_experts", [1, 2, 5])
def test_mix_is_the_weighted_sum(num_experts: int) -> None:
    weights = torch.randn(6, num_experts, dtype=torch.float64, requires_grad=True)
    experts = [
        torch.randn(6, 3, dtype=torch.float64, requires_grad=True) for _ in range(num_experts)
    ]
    expected = torch.einsum("be,beh->bh", weights, torch.stack(experts, dim=1))
    mixed = mix(weights, experts)
    assert_close(mixed, expected)
    leaves = (weights, *experts)
    assert_close(
        torch.autograd.grad(mixed.square().sum(), leaves),
        torch.autograd.grad(expected.square().sum(), leaves),
    )


def test_a_single_expert_passes_through_a_gate_bit_for_bit() -> None:
    expert = torch.randn(6, 3)
    assert torch.equal(mix(SoftmaxGate(4, 1)(torch.randn(6, 4)), [expert]), expert)
