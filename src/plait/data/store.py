"""The prepared store: the rows of one split, written once, mapped from disk, sliced by row.

A store is a folder of open files: `rows.arrow` holds ids, numbers, labels, masks, weights and key
codes, one fixed-size list column per group; `list-000.arrow` and so on hold ragged features;
`columns.arrow` holds raw columns that are kept for slices and groups; `store.json` says what is
what. The folder appears under its name when all of it is on disk, and not before.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from plait.errors import ArtifactError, UnknownNameError

from .batch import Batch, Column, Layout, Lists, Number, Table
from .label_facts import LabelFacts
from .mapped import Matrix, Ragged, map_file, matrix

__all__ = ["Store"]

VERSION = 1
FILE, ROWS, COLUMNS = "store.json", "rows.arrow", "columns.arrow"
DTYPES = {
    "ids": np.int32,
    "numbers": np.float32,
    "labels": np.float32,
    "observed": np.uint8,
    "weights": np.float32,
    "extras": np.float32,
    "keys": np.int64,
}
"""The groups of `rows.arrow` and their types."""

_WAY_OUT = "Prepare the data again."


class Store:
    """The prepared rows of one split, mapped from disk.

    Stability: experimental.

    Opening reads a page or two; rows come into memory when they are asked for, and the system may
    drop them again, so that a store may be larger than memory.

    Attributes:
        folder: where it lies.
        num_rows: number of rows.
        layout: what the columns of `ids`, `numbers` and the rest are.
        tasks: names of the tasks.
        extras: names of the columns that heads read beside labels, as `task.column`.
        facts: under `tasks`, by task, the number of `observed` rows, of `positives` among them and
            their `weight`; under `nulls`, the null rows by role.
        fingerprint: what the writer was given.
    """

    def __init__(self, folder: Path, form: Mapping[str, Any]) -> None:
        self.folder = folder
        self.num_rows: int = form["num_rows"]
        self.layout = _layout(form["layout"])
        self.tasks: tuple[str, ...] = tuple(form["tasks"])
        self.extras: tuple[str, ...] = tuple(form["extras"])
        self.facts: Mapping[str, Any] = form["facts"]
        self.fingerprint: str | None = form["fingerprint"]
        self._columns: tuple[str, ...] = tuple(form["columns"])
        rows = map_file(folder / ROWS)
        if rows.num_columns and rows.num_rows != self.num_rows:
            raise ArtifactError(
                folder / ROWS,
                found=f"it holds {rows.num_rows} rows instead of {self.num_rows}",
                way_out=_WAY_OUT,
            )
        self._groups = {name: self._group(rows, name) for name in DTYPES}
        self._vectors = {
            name: matrix(rows.column(vector_column(name))) for name in self.layout.vectors or {}
        }
        self._lists = {
            column.name: Ragged.of(map_file(folder / list_file(place)))
            for place, column in enumerate(self.layout.lists)
        }

    @classmethod
    def open(cls, folder: Path | str) -> Store:
        """Map the store in a folder.

        Raises:
            ArtifactError: the folder holds no store, or a broken one, or one of another version.
        """
        path = Path(folder) / FILE
        try:
            form = json.loads(path.read_bytes())
        except FileNotFoundError as error:
            raise ArtifactError(path, found="there is no store", way_out=_WAY_OUT) from error
        except ValueError as error:
            raise ArtifactError(path, found=f"no JSON ({error})", way_out=_WAY_OUT) from error
        version = form.get("version") if isinstance(form, dict) else None
        if version != VERSION:
            raise ArtifactError(
                path,
                found=f"it is of version {version!r}, and this plait reads version {VERSION}",
                way_out=_WAY_OUT,
            )
        try:
            return cls(Path(folder), form)
        except (KeyError, TypeError, OSError, pa.ArrowInvalid) as error:
            raise ArtifactError(
                path, found=f"the store is broken ({error})", way_out=_WAY_OUT
            ) from error

    def __len__(self) -> int:
        return self.num_rows

    @property
    def ids(self) -> NDArray[np.int32]:
        """The ids of every row, int32 `[N, C]`, one column for each of `layout.ids`."""
        return self._groups["ids"]

    def labels(self, task: str) -> NDArray[np.float32]:
        """The task's labels, float32 `[N]`; 0 where not observed."""
        return self._groups["labels"][:, self._place(task)]

    def observed(self, task: str) -> NDArray[np.bool_]:
        """Where the task's label counts, bool `[N]`."""
        return self._groups["observed"][:, self._place(task)].view(np.bool_)

    def weights(self, task: str) -> NDArray[np.float32]:
        """The weights of the task's rows, float32 `[N]`."""
        return self._groups["weights"][:, self._place(task)]

    def extra(self, name: str) -> NDArray[np.float32]:
        """A column that a head reads beside the label (`watch.duration`), float32 `[N]`."""
        if name not in self.extras:
            raise UnknownNameError(name, what="extra column", known=self.extras)
        return self._groups["extras"][:, self.extras.index(name)]

    def key(self, role: str) -> NDArray[np.int64]:
        """The codes of a role's column, int64 `[N]`; equal where the raw values are."""
        if role not in self.layout.keys:
            raise UnknownNameError(role, what="role", known=self.layout.keys, where="the store")
        return self._groups["keys"][:, self.layout.keys.index(role)]

    def frame(self, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Raw columns that were kept beside the features, row by row; None: all of them.

        Raises:
            UnknownNameError: a column that was not kept.
        """
        wanted = self._columns if columns is None else tuple(columns)
        for column in wanted:
            if column not in self._columns:
                raise UnknownNameError(
                    column, what="raw column", known=self._columns, where="the store"
                )
        if not wanted:
            return pl.DataFrame(height=self.num_rows)
        return pl.scan_ipc(self.folder / COLUMNS).select(wanted).collect()

    def batch(self, rows: NDArray[np.int64] | slice) -> Batch:
        """These rows, in this order, copied out of the map.

        Args:
            rows: positions from 0, or a slice.
        """
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(self.num_rows), dtype=np.int64)
        lists = {name: _lists(ragged, rows) for name, ragged in self._lists.items()}
        return Batch(
            ids=self._take("ids", rows),
            numbers=self._take("numbers", rows),
            lists=lists,
            vectors={name: _taken(found, rows) for name, found in self._vectors.items()},
            labels=self._take_columns("labels", self.tasks, rows),
            observed=self._take_columns("observed", self.tasks, rows, dtype=np.bool_),
            weights=self._take_columns("weights", self.tasks, rows),
            extras=self._take_columns("extras", self.extras, rows),
            keys=self._take_columns("keys", self.layout.keys, rows),
            rows=torch.from_numpy(rows.copy()),
        )

    def relabelled(
        self,
        *,
        observed: Mapping[str, NDArray[np.bool_]],
        labels: Mapping[str, NDArray[np.float32]] | None = None,
    ) -> Store:
        """The same rows with fewer or other labels, for a study of them; nothing is written.

        Features stay mapped; labels, masks and weights of all tasks are held in memory.

        Args:
            observed: by task, where its label counts, `[N]`. What did not count before does not
                count now. Tasks that are not named stay as they are.
            labels: by task, other labels, `[N]`.

        Raises:
            UnknownNameError: a name that is no task.
        """
        groups = {name: self._groups[name].copy() for name in ("labels", "observed", "weights")}
        for task, column in (labels or {}).items():
            groups["labels"][:, self._place(task)] = column
        for task, mask in observed.items():
            groups["observed"][:, self._place(task)] &= mask
        counts = groups["observed"].view(np.bool_)
        groups["labels"][~counts] = 0.0
        groups["weights"][~counts] = 0.0
        facts = LabelFacts(self.tasks)
        facts.add(groups["labels"], counts, groups["weights"])
        made = copy.copy(self)
        made._groups = {**self._groups, **groups}
        made.facts = {**self.facts, "tasks": facts.to_json()}
        return made

    def _take(self, group: str, rows: NDArray[np.int64]) -> Tensor:
        return _taken(self._groups[group], rows)

    def _take_columns(
        self,
        group: str,
        names: tuple[str, ...],
        rows: NDArray[np.int64],
        *,
        dtype: type[np.bool_] | None = None,
    ) -> dict[str, Tensor]:
        """Each column of a group by name: gathered row by row, then turned once."""
        columns = self._groups[group].take(rows, axis=0).T.copy()
        turned = columns if dtype is None else columns.view(dtype)
        return dict(zip(names, torch.from_numpy(turned).unbind(), strict=True))

    def _place(self, task: str) -> int:
        if task not in self.tasks:
            raise UnknownNameError(task, what="task", known=self.tasks, where="the store")
        return self.tasks.index(task)

    def _group(self, rows: pa.RecordBatch, name: str) -> Matrix:
        if name not in rows.schema.names:
            return np.empty((self.num_rows, 0), dtype=DTYPES[name])
        return matrix(rows.column(name))


def vector_column(feature: str) -> str:
    """The column of `rows.arrow` that holds a vector feature."""
    return f"vector:{feature}"


def list_file(place: int) -> str:
    """The file of the list feature at this place of `Layout.lists`."""
    return f"list-{place:03d}.arrow"


def _taken(rows_of: Matrix, rows: NDArray[np.int64]) -> Tensor:
    return torch.from_numpy(rows_of.take(rows, axis=0))


def _lists(ragged: Ragged, rows: NDArray[np.int64]) -> Lists:
    values, offsets, weights = ragged.take(rows)
    return Lists(
        torch.from_numpy(values),
        torch.from_numpy(offsets),
        None if weights is None else torch.from_numpy(weights),
    )


def _layout(form: Mapping[str, Any]) -> Layout:
    return Layout(
        tables=tuple(Table(**table) for table in form["tables"]),
        ids=tuple(Column(**column) for column in form["ids"]),
        numbers=tuple(Number(**number) for number in form["numbers"]),
        lists=tuple(Column(**column) for column in form["lists"]),
        sequences=tuple(form["sequences"]),
        vectors=form["vectors"],
        keys=tuple(form["keys"]),
        scenario=form["scenario"],
        user=form["user"],
        item=form["item"],
        after=tuple(form.get("after", ())),
    )
