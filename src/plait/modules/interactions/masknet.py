"""Masks that each row makes for itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from plait.errors import ArchitectureError, UnknownNameError
from plait.modules.checking import check_at_least

from .base import Entry, Interacted, Interaction
from .tokens import Tokens

__all__ = ["MaskNet"]

ARRANGEMENTS = ("parallel", "serial")


class MaskNet(Interaction):
    """Multiply what a layer reads by a mask that is made from the row itself.

    A mask is `W_2 ReLU(W_1 v + b_1) + b_2` of the row's features v. A block is
    `ReLU(LN(W (mask * input)))` (Wang, She and Zhang, `MaskNet: Introducing Feature-Wise
    Multiplication to CTR Ranking Models by Instance-Guided Mask
    <https://arxiv.org/abs/2102.07619>`_, 2021). `parallel`: every block reads the features, each
    normalised by itself, and their outputs stand side by side. `serial`: the first block reads the
    features, each other one the block before it. All masks are made from v.

    Stability: experimental.

    Args:
        entries: the features, in order.
        token_width: width that features of other widths are brought to.
        num_blocks: how many blocks.
        width: what a block gives.
        widening: hidden layer of a mask, as a multiple of its output. The paper calls it reduction
            ratio and takes 2, which makes the masks by far the largest part of a model with many
            features.
        arrangement: whether the blocks stand `parallel` or `serial`.

    Raises:
        ArchitectureError: a number or width below 1, or masks without a hidden layer.
        UnknownNameError: another arrangement.
    """

    when: ClassVar[str] = "features matter in some rows only"

    def __init__(
        self,
        entries: Sequence[Entry],
        *,
        token_width: int = 16,
        num_blocks: int = 3,
        width: int = 64,
        widening: float = 0.25,
        arrangement: Literal["parallel", "serial"] = "parallel",
    ) -> None:
        super().__init__(entries)
        check_at_least(1, num_blocks=num_blocks, width=width)
        if not widening > 0:
            raise ArchitectureError(f"`widening` must be positive, got {widening}.")
        if arrangement not in ARRANGEMENTS:
            raise UnknownNameError(arrangement, what="arrangement of blocks", known=ARRANGEMENTS)
        self.token_width = token_width
        self.num_blocks = num_blocks
        self.width = width
        self.widening = widening
        self.arrangement = arrangement
        self.tokens = Tokens(self.entries, token_width)
        features = len(self.entries) * token_width
        self.gains = nn.Parameter(torch.ones(len(self.entries), token_width))
        self.shifts = nn.Parameter(torch.zeros(len(self.entries), token_width))
        later = features if arrangement == "parallel" else width
        read = [features, *[later] * (num_blocks - 1)]
        self.blocks = nn.ModuleList(
            _Block(features, r, width, max(1, round(widening * r))) for r in read
        )

    @property
    def out_features(self) -> int:
        """Width of a block; of all of them where they stand side by side."""
        return self.width * (self.num_blocks if self.arrangement == "parallel" else 1)

    def forward(self, main: Tensor) -> Interacted:
        """Outputs of the blocks side by side, or of the last one."""
        tokens: Tensor = self.tokens(main)
        normal = functional.layer_norm(tokens, (self.token_width,)) * self.gains + self.shifts
        guide, read = tokens.flatten(1), normal.flatten(1)
        if self.arrangement == "parallel":
            return Interacted(torch.cat([block(guide, read) for block in self.blocks], dim=1))
        for block in self.blocks:
            read = block(guide, read)
        return Interacted(read)


class _Block(nn.Module):
    """One masked layer."""

    def __init__(self, guide: int, read: int, width: int, hidden: int) -> None:
        super().__init__()
        self.first = nn.Linear(guide, hidden)
        self.second = nn.Linear(hidden, read)
        self.linear = nn.Linear(read, width, bias=False)
        self.norm = nn.LayerNorm(width)
        for linear in (self.first, self.second, self.linear):
            nn.init.xavier_uniform_(linear.weight)
        nn.init.zeros_(self.first.bias)
        # At first the masks let through what they stand on: ones, give or take what the row says.
        nn.init.ones_(self.second.bias)

    def forward(self, guide: Tensor, read: Tensor) -> Tensor:
        mask = self.second(functional.relu(self.first(guide)))
        return functional.relu(self.norm(self.linear(mask * read)))
