"""Features that attend to one another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from plait.modules.attention import attend
from plait.modules.checking import check_at_least

from .base import Entry, Interacted, Interaction
from .tokens import Tokens

__all__ = ["AutoInt"]


class AutoInt(Interaction):
    """Let each feature look for the features that it should be combined with.

    A layer is self-attention over features with several heads and a residual: feature m becomes
    `ReLU(concat_h sum_k a_mk^h W_V^h e_k + W_R e_m)`, where `a_m^h = softmax_k <W_Q^h e_m, W_K^h
    e_k>`, not scaled (Song et al., `AutoInt: Automatic Feature Interaction Learning via
    Self-Attentive Neural Networks <https://doi.org/10.1145/3357384.3357925>`_, 2019). The features
    of the last layer, side by side, are what the sharing structure reads; the paper reads them
    linearly.

    The cost of a layer grows with the square of the number of features.

    Stability: experimental.

    Args:
        entries: the features, in order.
        token_width: width that features of other widths are brought to.
        num_layers: how many layers of attention.
        heads: heads of a layer.
        head_width: width of a head; a feature leaves a layer `heads · head_width` wide.

    Raises:
        ArchitectureError: a setting below 1.
    """

    when: ClassVar[str] = "you have time, and few features"

    def __init__(
        self,
        entries: Sequence[Entry],
        *,
        token_width: int = 16,
        num_layers: int = 2,
        heads: int = 2,
        head_width: int = 8,
    ) -> None:
        super().__init__(entries)
        check_at_least(1, num_layers=num_layers, heads=heads, head_width=head_width)
        self.token_width = token_width
        self.num_layers = num_layers
        self.heads = heads
        self.head_width = head_width
        self.tokens = Tokens(self.entries, token_width)
        widths = [token_width, *[heads * head_width] * (num_layers - 1)]
        self.layers = nn.ModuleList(_Interacting(width, heads, head_width) for width in widths)

    @property
    def out_features(self) -> int:
        """Features times heads times their width."""
        return len(self.entries) * self.heads * self.head_width

    def forward(self, main: Tensor) -> Interacted:
        """The features `[B, F · heads · head_width]` after all layers."""
        tokens: Tensor = self.tokens(main)
        for layer in self.layers:
            tokens = layer(tokens)
        return Interacted(tokens.flatten(1))


class _Interacting(nn.Module):
    """One layer of attention over features."""

    def __init__(self, width: int, heads: int, head_width: int) -> None:
        super().__init__()
        self.heads = heads
        out = heads * head_width
        self.query = nn.Linear(width, out, bias=False)
        self.key = nn.Linear(width, out, bias=False)
        self.value = nn.Linear(width, out, bias=False)
        self.residual = nn.Linear(width, out, bias=False)
        for linear in (self.query, self.key, self.value, self.residual):
            nn.init.xavier_uniform_(linear.weight)

    def forward(self, tokens: Tensor) -> Tensor:
        """`[B, F, heads · head_width]`."""
        query, key, value = (
            torch.stack(linear(tokens).chunk(self.heads, dim=2), dim=1)  # [B, heads, F, width]
            for linear in (self.query, self.key, self.value)
        )
        found = attend(query, key, value)
        side_by_side = torch.cat(found.unbind(1), dim=2)
        return functional.relu(side_by_side + self.residual(tokens))
