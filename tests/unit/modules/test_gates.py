from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from plait.modules import SoftmaxGate, compiled_blocks, logits_of, mix, mix_each


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


def literal(logits: Tensor, experts: list[Tensor]) -> Tensor:
    """`sum_e softmax(l)_e E_e`."""
    return torch.einsum("be,beh->bh", torch.softmax(logits, dim=1), torch.stack(experts, dim=1))


def draw(num_experts: int, dtype: torch.dtype, *, width: int = 5) -> tuple[Tensor, list[Tensor]]:
    torch.manual_seed(num_experts)
    logits = torch.randn(6, num_experts, dtype=dtype, requires_grad=True)
    draws = [torch.randn(6, width, dtype=dtype, requires_grad=True) for _ in range(num_experts)]
    return logits, draws


@pytest.mark.parametrize("engine", ["torch", "compiled"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("num_experts", "width"), [(1, 5), (2, 5), (5, 5), (8, 64)])
def test_mix_is_the_weighted_sum(
    num_experts: int, width: int, dtype: torch.dtype, engine: str
) -> None:
    logits, experts = draw(num_experts, dtype, width=width)
    with compiled_blocks(allowed=engine == "compiled"):
        mixed = mix(logits, experts)
    expected = literal(logits, experts)
    assert_close(mixed, expected)
    leaves = (logits, *experts)
    found = torch.autograd.grad(mixed.tanh().sum(), leaves)
    assert_close(found, torch.autograd.grad(expected.tanh().sum(), leaves))


@pytest.mark.parametrize("engine", ["torch", "compiled"])
def test_mix_can_be_differentiated_twice(engine: str) -> None:
    logits, experts = draw(3, torch.float32)
    leaves = (logits, *experts)
    found = []
    for made in (mix, literal):
        with compiled_blocks(allowed=engine == "compiled"):
            loss = made(logits, experts).square().sum()
        first = torch.autograd.grad(loss, leaves, create_graph=True)
        norm = torch.stack([one.square().sum() for one in first]).sum()
        found.append(torch.autograd.grad(norm, leaves))
    assert_close(found[0], found[1])


@pytest.mark.parametrize("engine", ["torch", "compiled"])
@pytest.mark.parametrize("twice", [False, True])
def test_gates_over_the_same_experts_mix_as_each_alone(engine: str, *, twice: bool) -> None:
    _, experts = draw(3, torch.float32, width=20)
    gates = [draw(3, torch.float32)[0].mul(scale).detach() for scale in (1.0, -2.0, 0.5)]
    found = []
    for together in (True, False):
        logits = [gate.clone().requires_grad_() for gate in gates]
        leaves = (*experts, logits[0], logits[2])
        with compiled_blocks(allowed=engine == "compiled"):
            mixed = mix_each(logits, experts) if together else [literal(g, experts) for g in logits]
            loss = mixed[0].tanh().sum() + mixed[2].square().sum()  # not of the second gate
            if twice:
                first = torch.autograd.grad(loss, leaves, create_graph=True)
                loss = torch.stack([one.square().sum() for one in first]).sum()
            *gradients, unread = torch.autograd.grad(loss, (*leaves, logits[1]), allow_unused=True)
        assert unread is None
        found.append((*mixed, *gradients))
    for one, other in zip(*found, strict=True):
        assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_logits_of_gates_that_read_other_things_or_have_a_bias_are_their_own() -> None:
    reads = [torch.randn(5, 4) for _ in range(2)]
    for bias in (False, True):
        gates = torch.nn.ModuleList(SoftmaxGate(4, 3, bias=bias) for _ in range(2))
        each = [gate for gate in gates if isinstance(gate, SoftmaxGate)]
        for read in (reads, [reads[0], reads[0]]):
            with compiled_blocks(allowed=True):
                found = logits_of(gates, read)
            for gate, own, logits in zip(each, read, found, strict=True):
                assert_close(logits, gate.logits(own))


def test_mix_takes_part_in_functional_transforms() -> None:
    torch.manual_seed(0)
    logits, experts = torch.randn(3, 6, 2), torch.randn(3, 6, 2, 5)

    def loss(logits: Tensor, experts: Tensor) -> Tensor:
        return mix(logits, experts).tanh().sum()

    found = torch.func.vmap(torch.func.grad(loss, argnums=(0, 1)))(logits, experts)
    for run in range(3):
        leaves = (logits[run].requires_grad_(), experts[run].requires_grad_())
        expected = torch.autograd.grad(
            literal(leaves[0], [*leaves[1].unbind(1)]).tanh().sum(), leaves
        )
        assert_close((found[0][run], found[1][run]), expected)
    logits, experts = logits[0].detach(), experts[0].detach()
    assert_close(
        torch.func.vmap(mix, in_dims=(0, None))(logits[None], experts)[0], mix(logits, experts)
    )


def test_several_gradients_at_once_are_those_one_by_one() -> None:
    logits, experts = draw(3, torch.float32)
    mixed = mix(logits, experts)
    leaves, units = (logits, *experts), torch.eye(mixed.numel()).view(-1, *mixed.shape)
    together = torch.autograd.grad(mixed, leaves, units, is_grads_batched=True, retain_graph=True)
    for place, unit in enumerate(units):
        alone = torch.autograd.grad(mixed, leaves, unit, retain_graph=True)
        assert_close(tuple(one[place] for one in together), alone)


def test_stacked_experts_are_mixed_alike() -> None:
    logits, experts = draw(3, torch.float32)
    assert torch.equal(mix(logits, experts), mix(logits, torch.stack(experts, dim=1)))


@pytest.mark.parametrize("allowed", [True, False])
def test_logits_far_apart_do_not_overflow(*, allowed: bool) -> None:
    logits = torch.tensor([[500.0, -500.0], [1e4, 1e4]])
    with compiled_blocks(allowed=allowed):
        mixed = mix(logits, [torch.ones(2, 3), torch.zeros(2, 3)])
    assert mixed[:, 0].tolist() == [1.0, 0.5]


@pytest.mark.parametrize("allowed", [True, False])
def test_a_single_expert_passes_through_a_gate_bit_for_bit(*, allowed: bool) -> None:
    expert = torch.randn(6, 3)
    with compiled_blocks(allowed=allowed):
        mixed = mix(SoftmaxGate(4, 1).logits(torch.randn(6, 4)), [expert])
    assert torch.equal(mixed, expert)
