"""Tables of vectors: one storage a width, one lookup a batch, row-sparse gradients."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from plait.data.batch import Column, Lists, Table

INITIAL_SCALE = 0.01

Run = tuple[str, ...]
"""Names of columns that stand side by side."""


class ListVectors(NamedTuple):
    """The vectors of a list feature, row after row.

    Attributes:
        values: `[N, d]`.
        offsets: int64 `[B + 1]`.
        weights: float32 `[N]`, or None.
    """

    values: Tensor
    offsets: Tensor
    weights: Tensor | None


class Tables(nn.Module):
    """Every table of a model, those of one width laid one after another in one storage.

    All columns and lists that read tables of one width are looked up at once, so that a batch
    costs one gather and one row-sparse gradient a width, however many features there are.

    Columns of one width that stand one after another come out as one *run*, side by side: what
    reads them all copies once, not once a column.

    Args:
        tables: name, rows and width of each table; those that nothing reads are left out.
        columns: the columns of `Batch.ids`, in order.
        lists: the list features.
        alone: columns that are to be runs of their own.
    """

    def __init__(
        self,
        tables: Sequence[Table],
        columns: Sequence[Column],
        lists: Sequence[Column] = (),
        *,
        alone: Collection[str] = (),
    ) -> None:
        super().__init__()
        self.columns = tuple(columns)
        self.lists = tuple(lists)
        read = {column.table for column in (*columns, *lists)}
        self.tables = tuple(table for table in tables if table.name in read)
        self._start: dict[str, int] = {}
        self.storages = nn.ParameterDict()
        for width in sorted({table.width for table in self.tables}):
            rows = 0
            for table in self.tables:
                if table.width == width:
                    self._start[table.name] = rows
                    rows += table.num_rows
            storage = torch.empty(rows, width).normal_(0.0, INITIAL_SCALE)
            self.storages[str(width)] = nn.Parameter(storage)
        self._width = {table.name: table.width for table in self.tables}
        self._positions: dict[str, list[int]] = {}
        self._runs: dict[str, list[Run]] = {}
        for width_name in self.storages:
            positions = [
                position
                for position, column in enumerate(self.columns)
                if str(self._width[column.table]) == width_name
            ]
            self._positions[width_name] = positions
            self._runs[width_name] = self._runs_of(positions, alone)
            starts = [self._start[self.columns[position].table] for position in positions]
            for name, numbers in (("start", starts), ("column", positions)):
                constant = torch.tensor(numbers, dtype=torch.long)
                self.register_buffer(f"_{name}_{width_name}", constant, persistent=False)

    def halve(self) -> None:
        """Keep the vectors in bfloat16, at half the memory; what is looked up is float32 again."""
        for storage in self.storages.values():
            storage.data = storage.data.bfloat16()

    def take(self, width: str, places: Tensor) -> Tensor:
        """These rows `[n, d]` of a storage, at least in single precision; gradients are sparse."""
        sparse = self.training and torch.is_grad_enabled()
        found = functional.embedding(places, self.storages[width], sparse=sparse)
        return found.float() if found.dtype == torch.bfloat16 else found

    def forward(
        self, ids: Tensor, lists: Mapping[str, Lists]
    ) -> tuple[dict[Run, Tensor], dict[str, ListVectors]]:
        """The vectors of every run of columns side by side `[B, n * d]`, and of every list."""
        runs: dict[Run, Tensor] = {}
        sequences: dict[str, ListVectors] = {}
        for width in self.storages:
            found, found_lists = self._look_up(width, ids, lists)
            runs.update(found)
            sequences.update(found_lists)
        return runs, sequences

    def rows_of(self, table: str) -> tuple[str, slice]:
        """Which storage holds a table, and which of its rows."""
        start = self._start[table]
        stop = start + next(t.num_rows for t in self.tables if t.name == table)
        return str(self._width[table]), slice(start, stop)

    def _runs_of(self, positions: Sequence[int], alone: Collection[str]) -> list[Run]:
        """Columns that follow one another, each run as long as may be."""
        runs: list[Run] = []
        last = None
        for position in positions:
            name = self.columns[position].name
            joins = bool(runs) and last == position - 1 and not {name, *runs[-1]} & set(alone)
            if joins:
                runs[-1] = (*runs[-1], name)
            else:
                runs.append((name,))
            last = position
        return runs

    def _look_up(
        self, width: str, ids: Tensor, lists: Mapping[str, Lists]
    ) -> tuple[dict[Run, Tensor], dict[str, ListVectors]]:
        positions = self._positions[width]
        mine = [column for column in self.lists if str(self._width[column.table]) == width]
        whole = len(positions) == len(self.columns)
        columns = ids if whole else ids.index_select(1, self.get_buffer(f"_column_{width}"))
        indices = [(columns + self.get_buffer(f"_start_{width}")).flatten()]
        indices += [lists[c.name].values.long() + self._start[c.table] for c in mine]
        looked_up = self.take(width, torch.cat(indices) if mine else indices[0])  # [B * C + N, d]
        sizes = [index.shape[0] for index in indices]
        head, *tails = looked_up.split(sizes) if mine else (looked_up,)
        runs = self._runs[width]
        by_column = head.view(ids.shape[0], len(positions), int(width))  # [B, C, d]
        parts = by_column.split([len(run) for run in runs], dim=1) if positions else ()
        found = {run: part.flatten(1) for run, part in zip(runs, parts, strict=True)}
        sequences = {
            column.name: ListVectors(tail, lists[column.name].offsets, lists[column.name].weights)
            for column, tail in zip(mine, tails, strict=True)
        }
        return found, sequences
