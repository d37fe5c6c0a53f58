"""What an interaction adds to a task's parameters past the shared network."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from plait.data.batch import Column, Layout, Lists, Table
from plait.modules import ListVectors, Run, Tables
from plait.modules.interactions import Entry, Interaction

from .entries import learnt_entries

__all__ = ["InteractionFactory", "LateTerm", "WideTables", "late_term"]


class InteractionFactory(Protocol):
    """Anything that builds an interaction: a class, or `partial(DCNv2, num_layers=3)`."""

    def __call__(self, entries: Sequence[Entry]) -> Interaction:
        """The interaction of these features."""
        ...


def late_term(
    interaction: Interaction | None,
    layout: Layout,
    entries: Mapping[str, int],
    out_features: int,
    *,
    task: str,
) -> LateTerm | None:
    """A task's own part of an interaction, where it has one.

    Args:
        interaction: the model's.
        layout: has the columns and lists.
        entries: what the task may read, with its width.
        out_features: parameters of the task's head.
        task: its name.
    """
    if interaction is None or not (interaction.first_order or interaction.late_features):
        return None
    learnt = learnt_entries(layout)
    return LateTerm(
        layout,
        entries if interaction.first_order else None,
        known=sum(width for name, width in entries.items() if name not in learnt),
        late_features=interaction.late_features,
        out_features=out_features,
        task=task,
    )


class WideTables(nn.Module):
    """One number a task for each id that a row may hold: the weights of a linear model.

    They start at zero. Every column has numbers of its own, also where two read one table of
    vectors: an item that was seen before is not the item that is judged. A list takes the mean.

    Args:
        layout: has the columns and lists.
        entries: those that the task may read.
        out_features: parameters of the task's head, which each have a number.
        task: its name.
    """

    def __init__(
        self, layout: Layout, entries: Collection[str], out_features: int, *, task: str
    ) -> None:
        super().__init__()
        self.out_features = out_features
        read = [(place, c) for place, c in enumerate(layout.ids) if c.name in entries]
        columns = [column for _, column in read]
        lists = [column for column in layout.lists if column.name in entries]
        tables = {c.name: layout.table(c.table) for c in (*columns, *lists)}
        self.list_names = {_called(column.name, task): column.name for column in lists}
        self.keys = tuple(_called(c.name, task) for c in columns if tables[c.name].is_key)
        self.tables = Tables(
            [
                Table(_called(name, task), table.num_rows, out_features, is_key=table.is_key)
                for name, table in tables.items()
            ],
            [_renamed(column, task) for column in columns],
            [_renamed(column, task) for column in lists],
            alone=self.keys,
        )
        self.columns = tuple(column.name for column in self.tables.columns)
        for storage in self.tables.parameters():
            nn.init.zeros_(storage)
        places = torch.tensor([place for place, _ in read], dtype=torch.long)
        self.register_buffer("_places", places, persistent=False)

    def lookup(
        self, ids: Tensor, lists: Mapping[str, Lists]
    ) -> tuple[dict[Run, Tensor], dict[str, ListVectors]]:
        """The numbers of every column and list, from `Batch.ids` and `Batch.lists`."""
        own = {called: lists[name] for called, name in self.list_names.items()}
        found: tuple[dict[Run, Tensor], dict[str, ListVectors]]
        found = self.tables(ids.index_select(1, self.get_buffer("_places")), own)
        return found

    def total(self, runs: Mapping[Run, Tensor]) -> Tensor | None:
        """The sum of all numbers of a row `[B, out]`; lists are pooled by now."""
        mine = {*self.columns, *self.list_names}
        parts = [
            side_by_side.unflatten(1, (len(run), self.out_features)).sum(dim=1)
            for run, side_by_side in runs.items()
            if run[0] in mine
        ]
        return torch.stack(parts).sum(dim=0) if parts else None


class LateTerm(nn.Module):
    """A task's own part of an interaction: the first order, and what goes past the network.

    Args:
        layout: has the columns and lists.
        entries: what the task may read, where there is a first order; else None.
        known: how many numbers of the input come from no table.
        late_features: L, what the interaction gives to every task.
        out_features: parameters of the task's head.
        task: its name.
    """

    def __init__(
        self,
        layout: Layout,
        entries: Collection[str] | None,
        *,
        known: int,
        late_features: int,
        out_features: int,
        task: str,
    ) -> None:
        super().__init__()
        self.wide = None
        self.known = 0
        if entries is not None:
            self.known = known
            self.wide = WideTables(layout, entries, out_features, task=task)
        self.late_features = late_features
        self.out_features = out_features
        # A row for each input: the width of all that is known may be that of the shared input too.
        self.linear = nn.Parameter(torch.zeros(self.known, out_features))
        self.weight = nn.Parameter(torch.ones(late_features, out_features))

    @property
    def in_features(self) -> int:
        """Width of what `forward` reads."""
        return self.known + self.late_features + (self.out_features if self.wide else 0)

    def inputs(self, known: Tensor, late: Tensor | None, runs: Mapping[Run, Tensor]) -> Tensor:
        """What `forward` reads, side by side: the numbers, the late part, the ids' total."""
        parts = [known] if self.wide is not None else []
        parts += [late] if late is not None else []
        if self.wide is not None:
            total = self.wide.total(runs)
            parts.append(known.new_zeros(len(known), self.out_features) if total is None else total)
        return torch.cat(parts, dim=1)

    def forward(self, inputs: Tensor) -> Tensor:
        """`[B, out]`."""
        weights = torch.cat([self.linear, self.weight])
        given = inputs[:, : len(weights)] @ weights
        return given + inputs[:, len(weights) :] if self.wide is not None else given


def _called(name: str, task: str) -> str:
    return f"{name}.wide.{task}"


def _renamed(column: Column, task: str) -> Column:
    called = _called(column.name, task)
    return Column(called, called, column.feature)
