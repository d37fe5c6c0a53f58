"""Draws that are made again, and parameters that are others for a while."""

from __future__ import annotations

import torch
from torch import nn
from torch.testing import assert_close

from plait.methods.replaying import Draws, with_parameters


def test_draws_are_made_again_and_the_stream_goes_on() -> None:
    torch.manual_seed(3)
    draws = Draws(torch.device("cpu"))
    first, second = torch.rand(4), torch.rand(4)
    with draws.again():
        assert torch.equal(torch.rand(4), first)
    third = torch.rand(4)
    torch.manual_seed(3)
    assert torch.equal(torch.cat([first, second, third]), torch.rand(12))


def test_the_stream_goes_on_where_it_stood_after_an_error() -> None:
    draws = Draws(torch.device("cpu"))
    torch.rand(3)
    before = torch.get_rng_state()
    try:
        with draws.again():
            torch.rand(5)
            raise KeyError
    except KeyError:
        pass
    assert torch.equal(torch.get_rng_state(), before)


def test_gradients_flow_through_the_other_values() -> None:
    model = nn.Linear(2, 1, bias=False)
    inputs = torch.tensor([[3.0, 4.0]])
    moved = model.weight + 1.0
    before = model.weight.detach().clone()
    found = with_parameters(model, {"weight": moved}, lambda: {"y": model(inputs).square().sum()})
    found["y"].backward()  # type: ignore[no-untyped-call]
    assert torch.equal(model.weight, before)
    assert isinstance(model.weight, nn.Parameter)
    # d/dw (w'x)^2 at w + 1.
    at = (before + 1.0) @ inputs.T
    assert_close(model.weight.grad, 2 * at * inputs)
