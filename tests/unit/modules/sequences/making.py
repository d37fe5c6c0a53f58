"""Ragged sequences for the tests of encoders, in float64, and the weights of blocks."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from plait.modules.sequences import SequenceEncoder

from .reference import Array

LENGTHS = (3, 0, 1, 6, 2)


def shaken(encoder: SequenceEncoder) -> SequenceEncoder:
    """In float64 and evaluation mode, with no parameter as it starts."""
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.normal_(std=0.5)
    return encoder.double().eval()


def ragged(width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Values of all rows one after another, where each row begins, and a target for each row."""
    generator = torch.Generator().manual_seed(1)
    offsets = torch.tensor([0, *LENGTHS]).cumsum(0)
    values = torch.randn(sum(LENGTHS), width, generator=generator, dtype=torch.float64)
    targets = torch.randn(len(LENGTHS), width, generator=generator, dtype=torch.float64)
    return values, offsets, targets


def items_of(values: Tensor, offsets: Tensor, row: int) -> list[Array]:
    return list(values[offsets[row] : offsets[row + 1]].numpy())


def array(tensor: Tensor) -> Array:
    return np.asarray(tensor.detach().numpy())


def linear(module: nn.Module) -> tuple[Array, Array]:
    assert isinstance(module, nn.Linear)
    return array(module.weight), array(module.bias)


def block(module: nn.Module, before: str, between: str) -> dict[str, Array]:
    """The weights of a block of attention and network, by their names in the reference."""
    state = {name: array(tensor) for name, tensor in module.state_dict().items()}
    names = {
        "gain1": f"{before}.weight",
        "shift1": f"{before}.bias",
        "gain2": f"{between}.weight",
        "shift2": f"{between}.bias",
        "query": "attention.query.weight",
        "key": "attention.key.weight",
        "value": "attention.value.weight",
        "join": "attention.join.weight",
        "w1": "first.weight",
        "b1": "first.bias",
        "w2": "second.weight",
        "b2": "second.bias",
    }
    return {short: state[long] for short, long in names.items() if long in state}
