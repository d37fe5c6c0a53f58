from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from plait.errors import ArchitectureError
from plait.modules import MLP, ExpertBank


def _bank(num_experts: int = 3) -> ExpertBank:
    return ExpertBank(5, num_experts, (7, 4)).double()


def _gradients(bank: ExpertBank, outputs: tuple[Tensor, ...]) -> list[Tensor]:
    total = torch.stack([(output * (n + 1)).sum() for n, output in enumerate(outputs)]).sum()
    return list(torch.autograd.grad(total, list(bank.parameters())))


@pytest.mark.parametrize("num_experts", [1, 3])
def test_loop_and_batched_form_agree_in_outputs_and_gradients(num_experts: int) -> None:
    bank = _bank(num_experts)
    own = [torch.randn(6, 5, dtype=torch.float64) for _ in range(num_experts)]
    looped, batched = bank.run_one_by_one(own), bank.run_together(own)
    assert_close(looped, batched)
    assert_close(_gradients(bank, looped), _gradients(bank, batched))


def test_one_input_is_read_by_every_expert() -> None:
    bank = _bank()
    inputs = torch.randn(6, 5, dtype=torch.float64)
    assert_close(bank(inputs), bank([inputs] * 3))


@pytest.mark.parametrize("expert", [0, 2])
def test_an_expert_is_an_mlp_with_its_slice_of_the_weights(expert: int) -> None:
    bank, mlp = _bank(), MLP(5, (7, 4)).double()
    copied: dict[str, Tensor] = {}
    for layer, (weight, bias) in enumerate(zip(bank.weights, bank.biases, strict=True)):
        torch.nn.init.normal_(bias)
        copied |= {f"linears.{layer}.weight": weight[expert], f"linears.{layer}.bias": bias[expert]}
    mlp.load_state_dict(copied)
    inputs = torch.randn(6, 5, dtype=torch.float64)
    assert torch.equal(bank(inputs)[expert], mlp(inputs))


def test_each_expert_starts_elsewhere_within_xaviers_bounds() -> None:
    (weight,) = ExpertBank(200, 2, (100,)).weights
    bound = (6 / 300) ** 0.5
    assert 0.99 * bound < weight.abs().max() <= bound
    assert not torch.equal(weight[0], weight[1])


def test_dropout_acts_in_training_only() -> None:
    bank = ExpertBank(4, 2, (500,), dropout=0.25)
    torch.nn.init.ones_(bank.weights[0])
    inputs = torch.ones(1, 4)
    assert all(0.15 < (output == 0).float().mean() < 0.35 for output in bank(inputs))
    assert all((output == 4).all() for output in bank.eval()(inputs))


def test_no_layer_gives_the_inputs_back() -> None:
    inputs = torch.randn(6, 5)
    assert all(torch.equal(output, inputs) for output in ExpertBank(5, 2, ())(inputs))


def test_no_expert_is_refused() -> None:
    with pytest.raises(ArchitectureError, match=r"`num_experts` must be at least 1, got 0"):
        ExpertBank(5, 0, (4,))


def test_a_width_of_nothing_is_refused() -> None:
    with pytest.raises(ArchitectureError, match=r"must be positive, got \(-1,\)"):
        ExpertBank(5, 2, (-1,))


def test_normalised_layers_have_mean_0_and_variance_1_before_scale_and_shift() -> None:
    bank = ExpertBank(5, 2, (7, 4), activation="silu", normalise=True).double()
    for parameter in bank.parameters():
        torch.nn.init.normal_(parameter)
    inputs = torch.randn(6, 5, dtype=torch.float64)
    looped, batched = bank.run_one_by_one([inputs] * 2), bank.run_together([inputs] * 2)
    assert_close(looped, batched)
    assert_close(_gradients(bank, looped), _gradients(bank, batched))
    hidden = inputs
    for weight, bias, scale, shift in zip(
        bank.weights, bank.biases, bank.scales, bank.shifts, strict=True
    ):
        product = hidden @ weight[1].T + bias[1]
        centred = product - product.mean(dim=1, keepdim=True)
        normed = centred / (centred.square().mean(dim=1, keepdim=True) + 1e-5).sqrt()
        spoken = normed * scale[1] + shift[1]
        hidden = spoken * spoken.sigmoid()
    assert_close(looped[1], hidden, rtol=0, atol=1e-10)
