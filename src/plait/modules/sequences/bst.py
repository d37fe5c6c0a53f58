"""A transformer over the past items and the item that is judged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from plait.modules.checking import check_at_least
from plait.modules.dropout import Dropout
from plait.modules.tables import INITIAL_SCALE

from .attention import SelfAttention, allowed_pairs
from .base import SequenceEncoder, check_heads, from_latest

__all__ = ["BST"]


class BST(SequenceEncoder):
    """Let the judged item and the past items read one another, and pass on all of them.

    The item stands in front of the past ones; each gets a vector for its place; blocks of `s =
    LN(x + attention(x))` and `LN(s + W_2 LeakyReLU(W_1 s + b_1) + b_2)` follow (Chen et al.,
    `Behavior Sequence Transformer for E-commerce Recommendation in Alibaba
    <https://arxiv.org/abs/1905.06874>`_, 2019). What comes out are all places side by side, as in
    the paper: the item, the latest value, the one before it; zeros where there is none.

    The paper's places are times before now; ours count from the latest value, since a sequence
    carries no times. The input of the sharing structure grows by `(max_length + 1) · d`.

    Stability: experimental.

    Args:
        in_features: width d of the vectors.
        num_blocks: how many blocks.
        heads: of the attention.
        max_length: values that are read, the last ones.
        dropout: behind attention and network.
        target: the feature that holds the item. None: the one of the sequence's table.
        aligned: sequences with one value for each value of this one, whose vectors are added.

    Raises:
        ArchitectureError: a number below 1, or heads that do not divide the width.
    """

    when: ClassVar[str] = "the order and the judged item both count; it is the widest"
    reads_target: ClassVar[bool] = True

    def __init__(
        self,
        in_features: int,
        *,
        num_blocks: int = 1,
        heads: int = 2,
        max_length: int = 20,
        dropout: float = 0.2,
        target: str | None = None,
        aligned: Sequence[str] = (),
    ) -> None:
        super().__init__(in_features)
        check_at_least(1, num_blocks=num_blocks, max_length=max_length)
        check_heads(in_features, heads)
        self.num_blocks = num_blocks
        self.heads = heads
        self.max_length = max_length
        self.dropout = dropout
        self.target = target
        self.aligned = tuple(aligned)
        places = torch.empty(max_length + 1, in_features)
        self.places = nn.Parameter(places.normal_(0, INITIAL_SCALE))
        self.blocks = nn.ModuleList(_Block(in_features, heads, dropout) for _ in range(num_blocks))

    @property
    def out_features(self) -> int:
        """One vector for the item and one for each place."""
        return self.places.numel()

    def forward(self, values: Tensor, mask: Tensor, target: Tensor | None = None) -> Tensor:
        """All places side by side, `[B, (max_length + 1) · d]`."""
        assert target is not None
        order = 1 + from_latest(mask)  # [B, L]; 0 is the item
        steps = torch.cat(
            [
                (target + self.places[0]).unsqueeze(1),
                values + functional.embedding(order, self.places),
            ],
            dim=1,
        )  # [B, 1 + L, d]
        present = functional.pad(mask, (1, 0), value=True)
        allowed = allowed_pairs(present, causal=False)
        for block in self.blocks:
            steps = block(steps, allowed)
        return self._side_by_side(steps, order, mask)

    def _side_by_side(self, steps: Tensor, order: Tensor, mask: Tensor) -> Tensor:
        item, past = steps[:, :1], torch.where(mask.unsqueeze(2), steps[:, 1:], 0.0)
        laid = steps.new_zeros(steps.shape[0], len(self.places) - 1, steps.shape[2])
        # Places without a value add zeros to the first.
        at = (order - 1).unsqueeze(2).expand_as(past)
        laid = laid.scatter_add(1, at, past)
        return torch.cat([item, laid], dim=1).flatten(1)


class _Block(nn.Module):
    """Attention, then a network for each place, each added to what it read and normalised."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = SelfAttention(width, heads, joined=True)
        self.after_attention = nn.LayerNorm(width)
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)
        self.after_network = nn.LayerNorm(width)
        self.dropout = Dropout(dropout)
        for linear in (self.first, self.second):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(self, steps: Tensor, allowed: Tensor) -> Tensor:
        steps = self.after_attention(steps + self.dropout(self.attention(steps, allowed)))
        hidden = functional.leaky_relu(self.first(steps))
        finished: Tensor = self.after_network(steps + self.dropout(self.second(hidden)))
        return finished
