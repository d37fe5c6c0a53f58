"""Tables of vectors that belong to one task alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn

from plait.data.batch import Layout, Lists
from plait.modules import ListVectors, Run, Tables

__all__ = ["OwnTables"]


class OwnTables(nn.Module):
    """A second copy of the tables, of the features that all tasks may read, for one task.

    Args:
        layout: has the columns and lists.
        entries: those that all tasks may read.
        alone: columns that are to be runs of their own.
    """

    def __init__(self, layout: Layout, entries: Collection[str], *, alone: Collection[str]) -> None:
        super().__init__()
        places = [place for place, column in enumerate(layout.ids) if column.name in entries]
        lists = [column for column in layout.lists if column.name in entries]
        self.list_names = tuple(column.name for column in lists)
        columns = [layout.ids[place] for place in places]
        self.tables = Tables(layout.tables, columns, lists, alone=alone)
        self.register_buffer("_places", torch.tensor(places, dtype=torch.long), persistent=False)

    def forward(
        self, ids: Tensor, lists: Mapping[str, Lists]
    ) -> tuple[dict[Run, Tensor], dict[str, ListVectors]]:
        """The vectors of every run and of every list, from `Batch.ids` and `Batch.lists`."""
        own = {name: lists[name] for name in self.list_names}
        found: tuple[dict[Run, Tensor], dict[str, ListVectors]]
        found = self.tables(ids.index_select(1, self.get_buffer("_places")), own)
        return found
