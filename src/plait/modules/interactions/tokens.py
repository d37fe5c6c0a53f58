"""Features of any width to vectors of one width."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from plait.modules.checking import check_at_least
from plait.modules.tables import INITIAL_SCALE

from .base import Entry

__all__ = ["Tokens"]


class Tokens(nn.Module):
    """One vector of the same width for each feature, for what compares features pair by pair.

    A vector that has the width already is taken as it is, so that a model whose tables all have
    this width is the paper's. Another one goes through a linear map of its own. The map of a known
    feature, numbers that stand side by side, has a row for each number: it starts as small as the
    rows of a table do, for it is one.

    Args:
        entries: the features, in the order in which they stand side by side.
        width: of a token.

    Raises:
        ArchitectureError: a width below 1.
    """

    def __init__(self, entries: Sequence[Entry], width: int) -> None:
        super().__init__()
        check_at_least(1, token_width=width)
        self.widths = [entry.width for entry in entries]
        self.maps = nn.ModuleList(_map(entry, width) for entry in entries)

    def forward(self, main: Tensor) -> Tensor:
        """Tokens `[B, F, width]` from the features side by side."""
        parts = main.split(self.widths, dim=1)
        return torch.stack([m(part) for m, part in zip(self.maps, parts, strict=True)], dim=1)


def _map(entry: Entry, width: int) -> nn.Module:
    if entry.learnt and entry.width == width:
        return nn.Identity()
    linear = nn.Linear(entry.width, width)
    nn.init.zeros_(linear.bias)
    if entry.learnt:
        nn.init.xavier_uniform_(linear.weight)
    else:
        nn.init.normal_(linear.weight, std=INITIAL_SCALE)
    return linear
