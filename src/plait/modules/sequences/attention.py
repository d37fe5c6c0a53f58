"""Attention among the places of a sequence."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plait.modules.attention import attend

__all__ = ["SelfAttention", "allowed_pairs"]


class SelfAttention(nn.Module):
    """`concat_h softmax(Q_h K_hᵀ / √(d/h)) V_h`, all three linear in the input, without biases.

    Args:
        width: d.
        heads: how many, each d / heads wide.
        joined: whether the heads go through one more linear map.
    """

    def __init__(self, width: int, heads: int, *, joined: bool) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.join = nn.Linear(width, width, bias=False) if joined else nn.Identity()
        for name, weight in self.named_parameters():
            assert weight.ndim == 2, name
            nn.init.xavier_uniform_(weight)

    def forward(self, values: Tensor, allowed: Tensor) -> Tensor:
        """`[B, L, d]`.

        Args:
            values: `[B, L, d]`.
            allowed: bool `[B, L, L]`, which place (first) may read which (second).
        """
        query, key, value = (
            linear(values).unflatten(2, (self.heads, -1)).transpose(1, 2)  # [B, heads, L, d/h]
            for linear in (self.query, self.key, self.value)
        )
        scale = query.shape[-1] ** -0.5
        found = attend(query, key, value, scale=scale, allowed=allowed.unsqueeze(1))
        joined: Tensor = self.join(found.transpose(1, 2).flatten(2))
        return joined


def allowed_pairs(mask: Tensor, *, causal: bool) -> Tensor:
    """Which place may read which, bool `[B, L, L]`: values that are there, and always itself.

    That a place without a value may read itself keeps the softmax defined; nothing reads it.

    Args:
        mask: bool `[B, L]`, where there is a value.
        causal: whether a place may not read what comes after it.
    """
    length = mask.shape[1]
    pairs = mask.unsqueeze(1).expand(-1, length, -1)
    places = torch.arange(length, device=mask.device)
    if causal:
        pairs = pairs & (places.unsqueeze(0) <= places.unsqueeze(1))
    return pairs | (places.unsqueeze(0) == places.unsqueeze(1))
