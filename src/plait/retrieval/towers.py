"""Two networks that never see each other's input: a vector for a user, a vector for an item."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from plait.data.batch import NUM_RESERVED, UNKNOWN, Batch, Layout
from plait.models.entries import encode_numbers, entry_features, entry_widths
from plait.modules import MLP, Run, Tables, mean_pool
from plait.tasks import Task

__all__ = ["TwoTower", "Vectors"]


class Vectors(NamedTuple):
    """What the towers make of a batch.

    Attributes:
        user: `[B, width]`.
        item: `[B, width]`.
        looked_up: the vectors of users and items that were looked up, for a penalty.
    """

    user: Tensor
    item: Tensor
    looked_up: list[Tensor]


class TwoTower(nn.Module):
    """Score a user and an item by the product of two vectors that are made apart.

    So the vectors of all items can be made once and searched by an index (Covington, Adams and
    Sargin, `Deep Neural Networks for YouTube Recommendations
    <https://doi.org/10.1145/2959100.2959190>`_, 2016; Yi et al., `Sampling-Bias-Corrected Neural
    Modeling <https://doi.org/10.1145/3298689.3346996>`_, 2019). Each tower reads its features side
    by side, lists by their mean, through hidden layers and a last linear one. Lists of past items
    share the item's table of vectors.

    Stability: experimental.

    Args:
        layout: what the fitted preprocessor promises.
        user_features: features of the user's tower.
        item_features: features of the item's tower.
        width: of both vectors.
        layers: widths of the hidden layers.
        dropout: in the hidden layers.
        similarity: with `cosine`, both vectors have length one.
        temperature: what a cosine is divided by in training.
        unknown_rate: share of ids of users and items that are read as *unknown* in training.
    """

    def __init__(
        self,
        layout: Layout,
        *,
        user_features: Sequence[str],
        item_features: Sequence[str],
        width: int = 64,
        layers: Sequence[int] = (128,),
        dropout: float = 0.0,
        similarity: Literal["dot", "cosine"] = "dot",
        temperature: float = 0.1,
        unknown_rate: float = 0.1,
    ) -> None:
        super().__init__()
        self.layout = layout
        self.user_features = tuple(user_features)
        self.item_features = tuple(item_features)
        self.width = width
        self.layers = tuple(layers)
        self.dropout = dropout
        self.similarity = similarity
        self.temperature = temperature
        self.unknown_rate = unknown_rate
        self.tasks: dict[str, Task] = {}
        self._entries = {
            side: _entries_of(layout, features)
            for side, features in (("user", self.user_features), ("item", self.item_features))
        }
        self._keys = [column.name for column in layout.ids if layout.table(column.table).is_key]
        is_key = [column.name in self._keys for column in layout.ids]
        self.register_buffer("_may_drop", torch.tensor(is_key, dtype=torch.bool), persistent=False)
        every = set(entry_features(layout))
        self._alone = every
        self.tables = Tables(layout.tables, layout.ids, layout.lists, alone=every)
        widths = entry_widths(layout)
        self.towers = nn.ModuleDict()
        for side, entries in self._entries.items():
            inputs = sum(widths[entry] for entry in entries)
            hidden = MLP(inputs, self.layers, dropout=dropout)
            last = nn.Linear(hidden.out_features, width)
            nn.init.xavier_uniform_(last.weight)
            self.towers[side] = nn.Sequential(hidden, last)

    def forward(self, batch: Batch) -> Vectors:
        """The vectors of the user and of the item of every row."""
        runs = self._look_up(batch)
        held = [runs[name,] for name in self._keys]
        return Vectors(self._through("user", runs), self._through("item", runs), held)

    def vectors(self, batch: Batch, side: str) -> Tensor:
        """The vectors of one side alone, `[B, width]`; what the other reads may be anything."""
        return self._through(side, self._look_up(batch))

    def scores(self, user: Tensor, item: Tensor) -> Tensor:
        """What training compares, `[B, B]`: every user of a batch with every item of it."""
        product = user @ item.T
        return product / self.temperature if self.similarity == "cosine" else product

    def table_parameters(self) -> list[nn.Parameter]:
        """The storages of all tables, whose gradients are row-sparse."""
        return list(self.tables.parameters())

    def _look_up(self, batch: Batch) -> dict[Run, Tensor]:
        ids = batch.ids
        if self.training and self.unknown_rate > 0 and ids.shape[1]:
            dropped = torch.rand(ids.shape, device=ids.device) < self.unknown_rate
            dropped = dropped & (ids >= NUM_RESERVED) & self.get_buffer("_may_drop")
            ids = ids.masked_fill(dropped, UNKNOWN)
        runs, lists = self.tables(ids, batch.lists)
        found: dict[Run, Tensor] = dict(runs)
        found.update(encode_numbers(batch.numbers, self.layout, alone=self._alone))
        found.update({(name,): vector for name, vector in batch.vectors.items()})
        for name, each in lists.items():
            found[name,] = mean_pool(each.values, each.offsets, each.weights)
        return found

    def _through(self, side: str, runs: Mapping[Run, Tensor]) -> Tensor:
        read = torch.cat([runs[entry,] for entry in self._entries[side]], dim=1)
        made: Tensor = self.towers[side](read)
        return functional.normalize(made, dim=1) if self.similarity == "cosine" else made


def _entries_of(layout: Layout, features: Collection[str]) -> list[str]:
    """The entries of these features, in the order in which they are laid out."""
    return [entry for entry, feature in entry_features(layout).items() if feature in features]
