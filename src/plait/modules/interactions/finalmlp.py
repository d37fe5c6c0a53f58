"""Two networks that read the features through gates of their own, and the product of both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from plait.errors import ArchitectureError, UnknownNameError
from plait.modules.checking import check_at_least
from plait.modules.mlp import MLP, check_widths

from .base import Entry, Interacted, Interaction

__all__ = ["FinalMLP"]


class FinalMLP(Interaction):
    """Read the features by two networks, each through its own choice of them, and multiply both.

    Stream s reads `2 σ(gate_s(context_s)) * x` and gives `o_s` through an MLP; a prediction is
    `b + w_1·o_1 + w_2·o_2 + sum_h o_1hᵀ W_h o_2h`, the streams cut into heads h (Mao et al.,
    `FinalMLP: An Enhanced Two-Stream MLP Model for CTR Prediction
    <https://doi.org/10.1609/aaai.v37i4.25577>`_, 2023). Here `o_1` and `o_2` side by side are what
    the sharing structure reads, and the products of the heads go past it to each task, which weighs
    them (ones at first: the paper's sum). With `SharedBottom(layers=())` and `tower=()` nothing
    stands between, and for one task it is the paper's model. `W_h` starts at zero, so that an
    untrained model predicts near the base rates.

    A gate reads features that you name, as the paper does with those of users and of items; named
    none, it reads a constant that is learnt.

    Stability: experimental.

    Args:
        entries: the features, in order.
        layers: widths of each stream.
        heads: into how many pieces the streams are cut for their product.
        gate_width: hidden layer of a gate.
        first_context: entries that the gate of the first stream reads.
        second_context: entries that the gate of the second stream reads.
        dropout: in the streams.

    Raises:
        ArchitectureError: no layer, a width below 1, or heads that do not divide the last one.
        UnknownNameError: a context that is no entry.
    """

    when: ClassVar[str] = "users and items have features of their own to gate by"

    def __init__(
        self,
        entries: Sequence[Entry],
        *,
        layers: Sequence[int] = (128, 64),
        heads: int = 2,
        gate_width: int = 32,
        first_context: Sequence[str] = (),
        second_context: Sequence[str] = (),
        dropout: float = 0.2,
    ) -> None:
        super().__init__(entries)
        check_at_least(1, heads=heads, gate_width=gate_width)
        self.layers = check_widths(layers)
        if not self.layers or self.layers[-1] % heads:
            raise ArchitectureError(
                f"`heads` must divide the last of `layers`, got {heads} heads and layers "
                f"{self.layers}."
            )
        self.heads = heads
        self.gate_width = gate_width
        self.first_context = tuple(first_context)
        self.second_context = tuple(second_context)
        self.dropout = dropout
        width = self.in_features
        contexts = (self.first_context, self.second_context)
        self.gates = nn.ModuleList(_Gate(self.entries, names, gate_width) for names in contexts)
        self.streams = nn.ModuleList(MLP(width, self.layers, dropout=dropout) for _ in contexts)
        piece = self.layers[-1] // heads
        self.products = nn.Parameter(torch.zeros(heads, piece, piece))

    @property
    def out_features(self) -> int:
        """Both streams."""
        return 2 * self.layers[-1]

    @property
    def late_features(self) -> int:
        """One product a head."""
        return self.heads

    def forward(self, main: Tensor) -> Interacted:
        """Both streams side by side, and the products of their heads."""
        first, second = (
            stream(gate(main) * main) for gate, stream in zip(self.gates, self.streams, strict=True)
        )
        pieces = [o.unflatten(1, (self.heads, -1)) for o in (first, second)]  # [B, heads, H/heads]
        late = torch.einsum("bhi,hij,bhj->bh", pieces[0], self.products, pieces[1])
        return Interacted(torch.cat([first, second], dim=1), late)


class _Gate(nn.Module):
    """How much of each number of the input a stream lets through: from 0 to 2."""

    def __init__(self, entries: Sequence[Entry], names: Sequence[str], hidden: int) -> None:
        super().__init__()
        known = [entry.name for entry in entries]
        for name in names:
            if name not in known:
                raise UnknownNameError(name, what="entry", known=known, where="FinalMLP")
        self.widths = [entry.width for entry in entries]
        self.places = [known.index(name) for name in names]
        read = sum(self.widths[place] for place in self.places)
        self.constant = None if names else nn.Parameter(torch.ones(1, 1))
        self.first = nn.Linear(read or 1, hidden)
        self.second = nn.Linear(hidden, sum(self.widths))
        for linear in (self.first, self.second):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(self, main: Tensor) -> Tensor:
        context: Tensor
        if self.constant is not None:
            context = self.constant
        else:
            parts = main.split(self.widths, dim=1)
            context = torch.cat([parts[place] for place in self.places], dim=1)
        return 2 * torch.sigmoid(self.second(torch.relu(self.first(context))))
