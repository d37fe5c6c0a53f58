"""Products of all pairs of features, beside a network for the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from plait.errors import ArchitectureError
from plait.modules.mlp import MLP

from .base import Entry, Interacted, Interaction
from .tokens import Tokens

__all__ = ["DLRM"]


class DLRM(Interaction):
    """Give the network one product for each pair of features.

    The numbers go through a network to one vector, which stands among the vectors of the other
    features; what comes out is that vector and the dot product of every pair (Naumov et al., `Deep
    Learning Recommendation Model for Personalization and Recommendation Systems
    <https://arxiv.org/abs/1906.00091>`_, 2019). The paper's top network is the sharing structure.

    Its width grows with the square of the number of features. The vectors themselves are not passed
    on, only their products.

    Stability: experimental.

    Args:
        entries: the features, in order: those from tables first.
        token_width: width d that features of other widths are brought to.
        layers: widths of the network for the numbers, before its last layer of width d.

    Raises:
        ArchitectureError: a width below 1, or fewer than two vectors to multiply.
    """

    when: ClassVar[str] = "most features are ids, and you want little above them"

    def __init__(
        self, entries: Sequence[Entry], *, token_width: int = 16, layers: Sequence[int] = (64,)
    ) -> None:
        super().__init__(entries)
        self.token_width = token_width
        self.layers = tuple(layers)
        learnt = [entry for entry in self.entries if entry.learnt]
        self.learnt = sum(entry.width for entry in learnt)
        known = self.in_features - self.learnt
        assert self.entries[: len(learnt)] == tuple(learnt), "what is learnt stands first"
        self.tokens = Tokens(learnt, token_width)
        self.bottom = MLP(known, (*self.layers, token_width)) if known else None
        number = len(learnt) + (self.bottom is not None)
        if number < 2:
            raise ArchitectureError(
                "DLRM multiplies pairs of features, but all tasks may read only "
                f"{[entry.name for entry in self.entries]}. Show them more, or leave it out."
            )
        pairs = torch.triu_indices(number, number, offset=1)
        self.register_buffer("_pairs", pairs[0] * number + pairs[1], persistent=False)

    @property
    def out_features(self) -> int:
        """The network for the numbers, and the pairs."""
        numbers = 0 if self.bottom is None else self.token_width
        return numbers + len(self.get_buffer("_pairs"))

    def forward(self, main: Tensor) -> Interacted:
        """The vector of the numbers, and the product of every pair."""
        learnt, known = main.tensor_split([self.learnt], dim=1)
        vectors = [self.tokens(learnt)] if self.learnt else []
        beside = []
        if self.bottom is not None:
            beside = [self.bottom(known)]
            vectors = [beside[0].unsqueeze(1), *vectors]
        together = torch.cat(vectors, dim=1)  # [B, F, d]
        products = torch.bmm(together, together.mT).flatten(1)  # [B, F · F]
        return Interacted(torch.cat([*beside, products[:, self.get_buffer("_pairs")]], dim=1))
