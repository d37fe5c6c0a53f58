"""Features side by side for the tests of interactions, in float64, and the weights of layers."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from plait.modules import MLP
from plait.modules.interactions import Entry, Interaction

from .reference import Array

SAME = (Entry("user", 4), Entry("item", 4), Entry("city", 4))
"""Vectors of one width: nothing is projected."""

MIXED = (Entry("user", 4), Entry("city", 3), Entry("age", 5, learnt=False))
"""Vectors of several widths, and numbers."""


def shaken(interaction: Interaction) -> Interaction:
    """In float64 and evaluation mode, with no parameter as it starts."""
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in interaction.parameters():
            parameter.normal_(std=0.5)
    return interaction.double().eval()


def rows(entries: tuple[Entry, ...], count: int = 5) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    width = sum(entry.width for entry in entries)
    return torch.randn(count, width, generator=generator, dtype=torch.float64)


def array(tensor: Tensor) -> Array:
    return np.asarray(tensor.detach().numpy())


def linear(module: nn.Module) -> tuple[Array, Array]:
    assert isinstance(module, nn.Linear)
    return array(module.weight), array(module.bias)


def layers(module: nn.Module) -> list[tuple[Array, Array]]:
    assert isinstance(module, MLP)
    return [linear(each) for each in module.linears]


def tokens_of(row: Array, entries: tuple[Entry, ...], maps: nn.Module) -> list[Array]:
    """The features of a row brought to one width, by hand."""
    assert isinstance(maps, nn.ModuleList)
    parts = np.split(row, np.cumsum([entry.width for entry in entries])[:-1])
    found = []
    for part, into in zip(parts, maps, strict=True):
        if isinstance(into, nn.Linear):
            weight, bias = linear(into)
            found.append(weight @ part + bias)
        else:
            found.append(part)
    return found
