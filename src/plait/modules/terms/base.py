"""The contract of a term: a classical model whose numbers are added to those of the network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from plait.data.batch import Column, Layout, Lists, Table
from plait.errors import ArchitectureError
from plait.modules.tables import ListVectors, Run, Tables

__all__ = ["TaskWeights", "Term"]


class Term(nn.Module, ABC):
    """Let a classical model speak beside the network: what it gives is added to the head's input.

    Stability: experimental.

    A term looks users, items and past items up in tables of its own, and knows no task: from their
    vectors it makes some numbers a row, and each task adds a weighed sum of these to the parameters
    of its head. Every keyword of a constructor is kept as an attribute of the same name, so that
    `plait.settings.settings_of` can write it down.

    Args:
        layout: has the columns and their tables.
        called: tells the term's tables from those of others: `ncf` makes `user.ncf`.
        columns: the columns of ids that it looks up, each in a table of its own.
        lists: the lists of ids, likewise.
        width: length of a vector.

    Attributes:
        reads: the entries that a task has to be allowed to read.
        names: what its vectors are called among those that `MultiTaskModel.lookup` gives.
        keys: those of `names` that are vectors of users and items.
        about: what the schema must have, for the catalogue.
        when: when to try it, likewise.
    """

    about: ClassVar[str] = ""
    when: ClassVar[str] = ""

    def __init__(
        self,
        layout: Layout,
        *,
        called: str,
        columns: Sequence[str],
        lists: Sequence[str] = (),
        width: int,
    ) -> None:
        super().__init__()
        self.called = called
        self.reads = (*columns, *lists)
        self.names = tuple(f"{name}.{called}" for name in self.reads)
        self.keys = self.names[: len(columns)]
        ids = [column.name for column in layout.ids]
        table_of = {c.name: layout.table(c.table) for c in (*layout.ids, *layout.lists)}
        named = list(zip(self.reads, self.names, strict=True))
        own = [Column(name, name, source) for source, name in named]
        self.tables = Tables(
            [Table(name, table_of[at].num_rows, width, is_key=True) for at, name in named],
            own[: len(columns)],
            own[len(columns) :],
            alone=self.keys,
        )
        places = torch.tensor([ids.index(name) for name in columns], dtype=torch.long)
        self.register_buffer("_places", places, persistent=False)

    def lookup(
        self, ids: Tensor, lists: Mapping[str, Lists]
    ) -> tuple[dict[Run, Tensor], dict[str, ListVectors]]:
        """Its vectors, each a run of its own, and those of its lists; from `Batch`."""
        own = {column.name: self.read_list(lists[column.feature]) for column in self.tables.lists}
        found: tuple[dict[Run, Tensor], dict[str, ListVectors]]
        found = self.tables(ids.index_select(1, self.get_buffer("_places")), own)
        return found

    def read_list(self, given: Lists) -> Lists:
        """What is looked up of a list: all of it, unless the term says otherwise."""
        return given

    def vectors(self, runs: Mapping[Run, Tensor]) -> list[Tensor]:
        """Its vectors `[B, width]` among all that were looked up; lists are pooled by now."""
        return [runs[name,] for name in self.names]

    @property
    @abstractmethod
    def out_features(self) -> int:
        """How many numbers it gives."""

    @abstractmethod
    def forward(self, vectors: Sequence[Tensor]) -> Tensor:
        """`[B, out_features]` from the vectors of its columns, then the means of its lists."""

    def start(self, weight: Tensor) -> None:
        """Set what a task's weights `[out, out_features]` are before training: ones."""
        nn.init.ones_(weight)


class TaskWeights(nn.Module):
    """What a task makes of a term: a weighed sum for each parameter of its head.

    Args:
        term: whose numbers are weighed.
        out_features: parameters of the head.
    """

    def __init__(self, term: Term, out_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_features, term.out_features))
        term.start(self.weight)

    @property
    def in_features(self) -> int:
        """Width of what `forward` reads."""
        return self.weight.shape[1]

    def forward(self, inputs: Tensor) -> Tensor:
        """`[B, out]`."""
        return inputs @ self.weight.T


def check_keys(layout: Layout, kind: str, *roles: str) -> None:
    """See that the layout has the user or item that a term is about.

    Raises:
        ArchitectureError: naming the role that is missing.
    """
    for role in roles:
        if getattr(layout, role) is None:
            raise ArchitectureError(
                f"{kind} is about the {role}, and the schema names no `{role}` that is one of its "
                f"features. Name the {role}'s column (`Schema(…, {role}=…)`) and keep it among the "
                "features, or leave the term out."
            )
