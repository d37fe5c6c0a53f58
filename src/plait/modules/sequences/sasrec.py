"""Self-attention over what a user did before, in its order."""

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
from .base import SequenceEncoder, at_latest, check_heads, from_latest

__all__ = ["SASRec"]


class SASRec(SequenceEncoder):
    """Let each step of a sequence look back at the steps that explain it.

    A vector for its place is added to each value; then blocks of `x + attention(LN(x))` and `x +
    FFN(LN(x))`, where a step reads itself and earlier ones, and `FFN(x) = W_2 ReLU(W_1 x + b_1) +
    b_2` (Kang and McAuley, `Self-Attentive Sequential Recommendation
    <https://doi.org/10.1109/ICDM.2018.00035>`_, 2018). The last step, normalised once more as in
    the authors' code, is the row's vector. Places are counted from the latest value, as the paper's
    padding does. A row without a value gives zeros.

    Stability: experimental.

    Args:
        in_features: width of the vectors.
        num_blocks: how many blocks.
        heads: of the attention.
        max_length: values that are read, the last ones.
        dropout: behind attention, network and sum with the place.
        aligned: sequences with one value for each value of this one, whose vectors are added.

    Raises:
        ArchitectureError: a number below 1, or heads that do not divide the width.
    """

    when: ClassVar[str] = "the order counts, and sequences are longer"

    def __init__(
        self,
        in_features: int,
        *,
        num_blocks: int = 2,
        heads: int = 1,
        max_length: int = 50,
        dropout: float = 0.2,
        aligned: Sequence[str] = (),
    ) -> None:
        super().__init__(in_features)
        check_at_least(1, num_blocks=num_blocks, max_length=max_length)
        check_heads(in_features, heads)
        self.num_blocks = num_blocks
        self.heads = heads
        self.max_length = max_length
        self.dropout = dropout
        self.aligned = tuple(aligned)
        self.places = nn.Parameter(torch.empty(max_length, in_features).normal_(0, INITIAL_SCALE))
        self.leave_out = Dropout(dropout)
        self.blocks = nn.ModuleList(_Block(in_features, heads, dropout) for _ in range(num_blocks))
        self.norm = nn.LayerNorm(in_features)

    def forward(self, values: Tensor, mask: Tensor, target: Tensor | None = None) -> Tensor:
        """The last step, `[B, d]`."""
        steps = self.leave_out(values + functional.embedding(from_latest(mask), self.places))
        allowed = allowed_pairs(mask, causal=True)
        for block in self.blocks:
            steps = block(steps, allowed)
        return at_latest(self.norm(steps), mask)


class _Block(nn.Module):
    """Attention, then a network for each step."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.before_attention = nn.LayerNorm(width)
        self.attention = SelfAttention(width, heads, joined=False)
        self.before_network = nn.LayerNorm(width)
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)
        self.dropout = Dropout(dropout)
        for linear in (self.first, self.second):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(self, steps: Tensor, allowed: Tensor) -> Tensor:
        steps = steps + self.dropout(self.attention(self.before_attention(steps), allowed))
        hidden = functional.relu(self.first(self.before_network(steps)))
        finished: Tensor = steps + self.dropout(self.second(hidden))
        return finished
