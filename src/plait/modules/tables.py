"""Tables of vectors: one storage a width, one lookup a batch, row-sparse gradients."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from plait.data.batch import Column, Lists, Table

from .parts import ShortRows

INITIAL_SCALE = 0.01

READ_OFTEN = 16
"""A batch must read each row of a short table so many times, in the mean, for it to pay."""

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


class _Group(NamedTuple):
    """Columns of one width that are looked up at once: name of their buffers, and their runs."""

    name: str
    positions: list[int]
    runs: list[Run]


class _Short(NamedTuple):
    """Short tables: their width, where their columns stand, where they begin, and their sizes."""

    width: str
    positions: NDArray[np.int64]
    starts: NDArray[np.int64]
    firsts: NDArray[np.int64]


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
        short: columns of one width whose tables are so short that `short_rows` is worth it.
    """

    def __init__(
        self,
        tables: Sequence[Table],
        columns: Sequence[Column],
        lists: Sequence[Column] = (),
        *,
        alone: Collection[str] = (),
        short: Sequence[str] = (),
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
        self._groups: dict[str, _Group] = {}
        for name in self.storages:
            positions = self._positions(name)
            self._groups[name] = self._group(name, positions, self._runs_of(positions, alone))
        self._short = self._short_columns(short)
        if short:
            whole = self._positions(self._short.width)
            positions = [place for place in whole if self.columns[place].name not in short]
            self._long = self._group("long", positions, self._runs_of(positions, alone))

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
        self, ids: Tensor, lists: Mapping[str, Lists], *, but_short: bool = False
    ) -> tuple[dict[Run, Tensor], dict[str, ListVectors]]:
        """The vectors of every run of columns side by side `[B, n * d]`, and of every list.

        Args:
            ids: `[B, C]`.
            lists: by name.
            but_short: leave out the columns of `short_rows`.
        """
        runs: dict[Run, Tensor] = {}
        sequences: dict[str, ListVectors] = {}
        for width, whole in self._groups.items():
            group = self._long if but_short and width == self._short.width else whole
            found, found_lists = self._look_up(width, group, ids, lists)
            runs.update(found)
            sequences.update(found_lists)
        return runs, sequences

    @property
    def rows_worth_it(self) -> int:
        """How many rows a batch must have for `short_rows` to be less work than `forward`."""
        return READ_OFTEN * int(self._short.firsts[-1]) // max(1, len(self._short.positions))

    def short_rows(self, ids: Tensor, columns: Tensor, others: Tensor) -> ShortRows:
        """Each distinct row of the short tables once, for layers that are compiled.

        Args:
            ids: `[B, C]`.
            columns: where the short columns' vectors stand in the input of the layers.
            others: where all else that is learnt stands.

        Raises:
            IndexError: an id lies beyond the rows of its table.
        """
        from . import compiled_layers

        short = self._short
        places, ends, found = compiled_layers.numbered(ids, short.positions, short.firsts)
        counts = np.diff(ends.numpy(), prepend=0)
        rows = torch.from_numpy(found + np.repeat(short.starts - short.firsts[:-1], counts))
        return ShortRows(self.take(short.width, rows), places, ends, columns, others)

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

    def _positions(self, width: str) -> list[int]:
        """The columns of this width."""
        widths = [str(self._width[column.table]) for column in self.columns]
        return [position for position, own in enumerate(widths) if own == width]

    def _group(self, name: str, positions: list[int], runs: list[Run]) -> _Group:
        starts = [self._start[self.columns[position].table] for position in positions]
        for what, numbers in (("start", starts), ("column", positions)):
            constant = torch.tensor(numbers, dtype=torch.long)
            self.register_buffer(f"_{what}_{name}", constant, persistent=False)
        return _Group(name, positions, runs)

    def _short_columns(self, names: Sequence[str]) -> _Short:
        of = {column.name: position for position, column in enumerate(self.columns)}
        tables = [self.columns[of[name]].table for name in names]
        sizes = {table.name: table.num_rows for table in self.tables}
        widths = {str(self._width[table]) for table in tables}
        assert len(widths) <= 1, widths
        return _Short(
            next(iter(widths), ""),
            np.array([of[name] for name in names], dtype=np.int64),
            np.array([self._start[table] for table in tables], dtype=np.int64),
            np.cumsum([0, *(sizes[table] for table in tables)], dtype=np.int64),
        )

    def _look_up(
        self, width: str, group: _Group, ids: Tensor, lists: Mapping[str, Lists]
    ) -> tuple[dict[Run, Tensor], dict[str, ListVectors]]:
        name, positions, runs = group
        mine = [column for column in self.lists if str(self._width[column.table]) == width]
        whole = len(positions) == len(self.columns)
        columns = ids if whole else ids.index_select(1, self.get_buffer(f"_column_{name}"))
        indices = [(columns + self.get_buffer(f"_start_{name}")).flatten()]
        indices += [lists[c.name].values.long() + self._start[c.table] for c in mine]
        looked_up = self.take(width, torch.cat(indices) if mine else indices[0])  # [B * C + N, d]
        sizes = [index.shape[0] for index in indices]
        head, *tails = looked_up.split(sizes) if mine else (looked_up,)
        by_column = head.view(ids.shape[0], len(positions), int(width))  # [B, C, d]
        parts = by_column.split([len(run) for run in runs], dim=1) if positions else ()
        found = {run: part.flatten(1) for run, part in zip(runs, parts, strict=True)}
        sequences = {
            column.name: ListVectors(tail, lists[column.name].offsets, lists[column.name].weights)
            for column, tail in zip(mine, tails, strict=True)
        }
        return found, sequences
