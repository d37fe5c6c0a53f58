from __future__ import annotations

import math

import pytest
import torch
from torch.testing import assert_close

from plait.errors import ArchitectureError, UnknownNameError
from plait.modules import MLP


def test_one_layer_is_a_linear_map_cut_at_zero() -> None:
    mlp = MLP(2, (2,))
    state = {"linears.0.weight": torch.tensor([[1.0, 2.0], [-1.0, 0.0]])}
    mlp.load_state_dict(state | {"linears.0.bias": torch.tensor([0.5, 0.5])})
    assert_close(mlp(torch.tensor([[1.0, 1.0]])), torch.tensor([[3.5, 0.0]]))


def test_layers_have_the_widths_asked_for() -> None:
    mlp = MLP(5, (7, 3))
    assert mlp.out_features == 3
    assert mlp(torch.randn(4, 5)).shape == (4, 3)


def test_no_layer_gives_the_inputs_back() -> None:
    inputs = torch.randn(4, 5)
    mlp = MLP(5, (), dropout=0.5)
    assert mlp.out_features == 5
    assert torch.equal(mlp(inputs), inputs)


def test_weights_start_within_xaviers_bounds_and_biases_at_zero() -> None:
    mlp = MLP(300, (200, 100))
    for linear in mlp.linears:
        assert isinstance(linear, torch.nn.Linear)
        bound = math.sqrt(6 / (linear.in_features + linear.out_features))
        assert 0.99 * bound < linear.weight.abs().max() <= bound
        assert_close(linear.weight.std().item(), bound / math.sqrt(3), rtol=0.02, atol=0)
        assert not linear.bias.any()


def test_dropout_acts_in_training_only_and_does_not_change_the_names_of_the_state() -> None:
    inputs = torch.ones(1, 4)
    mlp = MLP(4, (1000,), dropout=0.25)
    torch.nn.init.ones_(next(mlp.parameters()))
    left_out = (mlp(inputs) == 0).float().mean()
    assert 0.2 < left_out < 0.3
    assert (mlp.eval()(inputs) == 4).all()
    assert mlp.state_dict().keys() == MLP(4, (1000,)).state_dict().keys()


def test_a_normalised_layer_does_not_feel_the_scale_of_its_inputs() -> None:
    mlp = MLP(6, (8,), activation="silu", normalise=True)
    inputs = torch.randn(3, 6)
    assert_close(mlp(inputs), mlp(1000 * inputs), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "expected"), [("relu", 0.0), ("silu", -0.268941), ("gelu", -0.158655)]
)
def test_activations_at_minus_one(name: str, expected: float) -> None:
    mlp = MLP(1, (1,), activation=name)  # type: ignore[arg-type]  # a str, from the parameters
    torch.nn.init.constant_(next(mlp.parameters()), -1.0)
    assert mlp(torch.ones(1, 1)).item() == pytest.approx(expected, abs=1e-6)


def test_a_width_of_nothing_is_refused() -> None:
    with pytest.raises(ArchitectureError, match=r"must be positive, got \(8, 0\)"):
        MLP(4, (8, 0))


def test_an_unknown_activation_is_named_with_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"activation 'rely'\. Did you mean 'relu'"):
        MLP(4, (8,), activation="rely")  # type: ignore[arg-type]  # on purpose
