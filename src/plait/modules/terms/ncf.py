"""The network over user and item alone: the deep half of neural collaborative filtering."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from plait.data.batch import Layout
from plait.errors import ArchitectureError
from plait.modules.checking import check_at_least
from plait.modules.mlp import MLP

from .base import Term, check_keys

__all__ = ["NCF"]


class NCF(Term):
    """Let a network of its own read who the user is and which item it is, and nothing else.

    It is the network of neural collaborative filtering (He et al., `Neural Collaborative Filtering
    <https://doi.org/10.1145/3038912.3052569>`_, 2017, eqs. 10 and 12): `h · MLP([p_user; q_item])`
    with tables of its own. The paper's other half, GMF, is the product of user and item that
    `factors` puts there with vectors of *its* own; both together are the paper's NeuMF. Each task
    has its own `h` in both halves, and the rest is shared.

    Departures: the paper trains the halves apart first and then joins them; here both are trained
    at once. And biases of user and item stand beside the product, which start at zero.

    Stability: experimental.

    Args:
        layout: has the columns of user and item.
        width: length of the vectors.
        layers: widths of the hidden layers.
        dropout: in the hidden layers.

    Raises:
        ArchitectureError: no user or item among the features, no layer, or a width below 1.
    """

    about: ClassVar[str] = "a `user` and an `item` among the features"
    when: ClassVar[str] = "the deep network has so much else to read that ids drown"

    def __init__(
        self,
        layout: Layout,
        *,
        width: int = 32,
        layers: Sequence[int] = (64, 32, 16),
        dropout: float = 0.0,
    ) -> None:
        check_keys(layout, "NCF", "user", "item")
        check_at_least(1, width=width)
        if not layers:
            raise ArchitectureError(
                "NCF needs `layers`: without any it says no more than the biases of user and item, "
                "which the product has already. Give widths such as (64, 32, 16)."
            )
        super().__init__(
            layout, called="ncf", columns=[str(layout.user), str(layout.item)], width=width
        )
        self.width = width
        self.layers = tuple(layers)
        self.dropout = dropout
        self.network = MLP(2 * width, self.layers, dropout=dropout)

    @property
    def out_features(self) -> int:
        """Width of the last hidden layer."""
        return self.layers[-1]

    def forward(self, vectors: Sequence[Tensor]) -> Tensor:
        """The last hidden layer, from the vectors of user and item."""
        hidden: Tensor = self.network(torch.cat(list(vectors), dim=1))
        return hidden

    def start(self, weight: Tensor) -> None:
        """A task's `h` starts as the weights of any layer do."""
        nn.init.xavier_uniform_(weight)
