"""The product of user and item: matrix factorisation beside the deep network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from plait.data.batch import Column, Layout, Table
from plait.modules import Run, Tables

__all__ = ["FactorTerm", "KeyTables"]


class KeyTables(nn.Module):
    """Two tables beside those that the deep network reads: one row a user, one an item.

    Args:
        layout: has the columns of user and item.
        width: length of a row.
        called: `factors` makes the entries `user.factors` and `item.factors`.
    """

    def __init__(self, layout: Layout, width: int, *, called: str) -> None:
        super().__init__()
        assert layout.user is not None
        assert layout.item is not None
        names = [column.name for column in layout.ids]
        places = [names.index(layout.user), names.index(layout.item)]
        known = [layout.table(layout.ids[place].table) for place in places]
        self.names = (f"{layout.user}.{called}", f"{layout.item}.{called}")
        self.tables = Tables(
            [
                Table(name, table.num_rows, width, is_key=True)
                for name, table in zip(self.names, known, strict=True)
            ],
            [
                Column(name, name, key)
                for name, key in zip(self.names, (layout.user, layout.item), strict=True)
            ],
            alone=self.names,
        )
        self.register_buffer("_places", torch.tensor(places), persistent=False)

    def lookup(self, ids: Tensor) -> dict[Run, Tensor]:
        """Vectors `[B, width]` of user and item, each a run, from `Batch.ids`."""
        found: tuple[dict[Run, Tensor], object]
        found = self.tables(ids.index_select(1, self.get_buffer("_places")), {})
        return found[0]

    def both(self, runs: Mapping[Run, Tensor]) -> Sequence[Tensor]:
        """The vectors of user and item among all that were looked up."""
        return [runs[(name,)] for name in self.names]


class FactorTerm(nn.Module):
    """What a task adds to its head's parameters: `w · (p_user * q_item) + b_user + b_item`.

    The product is that of biased matrix factorisation (Koren, Bell and Volinsky, `Matrix
    Factorization Techniques for Recommender Systems <https://doi.org/10.1109/MC.2009.263>`_, 2009).
    All tasks share the vectors `p` and `q`; the weights `w` and the biases are a task's own.

    Args:
        layout: has the columns of user and item.
        width: length of `p` and `q`.
        out_features: parameters of the head.
        task: its name.
    """

    def __init__(self, layout: Layout, width: int, out_features: int, *, task: str) -> None:
        super().__init__()
        self.width = width
        self.weight = nn.Parameter(torch.ones(out_features, width))
        self.biases = KeyTables(layout, out_features, called=f"bias.{task}")
        for storage in self.biases.parameters():
            nn.init.zeros_(storage)

    @property
    def in_features(self) -> int:
        """Width of what `forward` reads."""
        return self.width + self.weight.shape[0]

    def inputs(self, product: Tensor, runs: Mapping[Run, Tensor]) -> Tensor:
        """What `forward` reads `[B, width + out]`: the product, and the sum of both biases."""
        user, item = self.biases.both(runs)
        return torch.cat([product, user + item], dim=1)

    def forward(self, inputs: Tensor) -> Tensor:
        """`[B, out]`."""
        weighed: Tensor = inputs[:, : self.width] @ self.weight.T
        return weighed + inputs[:, self.width :]
