"""Writing a prepared store: chunks to scratch files, those to Arrow; whole or not at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from plait.errors import DataError

from .batch import Layout
from .canonical import role_codes
from .files import replacing, sync
from .label_facts import LabelFacts
from .mapped import RawFile, write_file
from .prepared import Prepared
from .scratch import ColumnsFile, ListFiles
from .store import COLUMNS, DTYPES, FILE, ROWS, VERSION, Store, list_file, vector_column

__all__ = ["StoreWriter"]


class StoreWriter:
    """Write a store chunk by chunk, in memory that does not grow with the rows.

    Stability: experimental.

    Chunks go to scratch files beside the folder; `close` maps these and writes the Arrow files
    from them. As a context manager it aborts where `close` was not reached. Whatever happens, the
    folder holds a whole store or does not exist; what a killed process left behind is removed by
    the next writer of the same folder.

    Args:
        folder: where the store is to lie; must not exist, or be empty.
        layout: what the prepared columns are.
        tasks: names of the tasks, in the order of the columns of `labels`.
        extras: names of the columns of `extras`.
        keys: roles whose codes are kept.
        fingerprint: kept in `store.json`.

    Raises:
        DataError: the folder is taken, or cannot be written.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        layout: Layout,
        tasks: Sequence[str],
        extras: Sequence[str] = (),
        keys: Sequence[str] = (),
        fingerprint: str | None = None,
    ) -> None:
        self.folder = Path(folder)
        if self.folder.is_dir() and any(self.folder.iterdir()):
            raise DataError(f"{self.folder} is not empty. Remove it, or write the store elsewhere.")
        self._layout = replace(layout, keys=tuple(keys))
        self._tasks, self._extras = tuple(tasks), tuple(extras)
        self._fingerprint = fingerprint
        self._num_rows = 0
        self._nulls: dict[str, int] = {}
        self._facts = LabelFacts(self._tasks)
        self._widths = _widths(self._layout, self._tasks, self._extras)
        self._partial = self.folder.with_name(f".{self.folder.name}.partial")
        self._is_open = True
        self._raw: dict[str, RawFile] = {}
        self._lists: list[ListFiles] = []
        self._columns = ColumnsFile(self._partial / COLUMNS)
        with self._writing():
            shutil.rmtree(self._partial, ignore_errors=True)
            self._partial.mkdir(parents=True)
            for place, name in enumerate(self._widths):
                scratch = self._partial / f"group-{place}.raw"
                self._raw[name] = RawFile(scratch, DTYPES.get(name, np.float32))
            for place in range(len(layout.lists)):
                self._lists.append(ListFiles(self._partial, place))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.abort()

    def append(
        self,
        prepared: Prepared,
        *,
        labels: NDArray[np.float32],
        observed: NDArray[np.bool_],
        weights: NDArray[np.float32],
        extras: NDArray[np.float32] | None = None,
        keys: Mapping[str, pl.Series] | None = None,
        columns: pl.DataFrame | None = None,
    ) -> None:
        """Append rows.

        Args:
            prepared: their features.
            labels: `[N, T]`, 0 where not observed.
            observed: `[N, T]`.
            weights: `[N, T]`.
            extras: `[N, E]`.
            keys: the raw column of each role; codes are made here (`role_codes`).
            columns: raw columns to keep as they are; the same ones in every chunk.

        Raises:
            DataError: an array has another shape than it should, raw columns differ from those of
                the first chunk, the writer is closed, or writing fails.
        """
        self._check_open()
        groups = {
            "ids": prepared.ids,
            "numbers": prepared.numbers,
            "labels": labels,
            "observed": observed,
            "weights": weights,
            "extras": np.empty((len(prepared), 0)) if extras is None else extras,
            "keys": self._codes(keys or {}, len(prepared)),
            **{vector_column(name): found for name, found in prepared.vectors.items()},
        }
        for name, width in self._widths.items():
            _check_shape(name, groups[name].shape, (len(prepared), width))
        with self._writing():
            for name, file in self._raw.items():
                file.append(groups[name])
            for column, files in zip(self._layout.lists, self._lists, strict=True):
                files.append(prepared.lists[column.name])
            self._columns.append(pl.DataFrame() if columns is None else columns)
        self._facts.add(labels, observed, weights)
        self._num_rows += len(prepared)

    def close(self) -> Store:
        """Write the Arrow files, bring them to disk, and give the folder its name.

        Raises:
            DataError: the writer is closed, or writing fails.
        """
        self._check_open()
        with self._writing():
            rows = {n: f.rows(self._widths[n]) for n, f in self._raw.items() if self._widths[n]}
            write_file(self._partial / ROWS, rows)
            for place, files in enumerate(self._lists):
                write_file(self._partial / list_file(place), files.arrays())
            self._columns.close()
            del rows
            self._remove_scratch()
            with replacing(self._partial / FILE) as file:
                file.write(json.dumps(self._form(), indent=1).encode())
            sync(self._partial)
            if self.folder.is_dir():
                self.folder.rmdir()
            self._partial.rename(self.folder)
            sync(self.folder.parent)
        self._is_open = False
        return Store.open(self.folder)

    def abort(self) -> None:
        """Drop what was written; nothing happens after `close`."""
        if self._is_open:
            self._is_open = False
            self._remove_scratch()
            with suppress(OSError):
                self._columns.close()
            shutil.rmtree(self._partial, ignore_errors=True)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Turn a failure of the disk into a clear error, with nothing left behind."""
        try:
            yield
        except OSError as error:
            self.abort()
            raise DataError(
                f"The store {self.folder} could not be written: {error.strerror or error}. "
                "What was written is removed. Free some disk space, or choose another folder."
            ) from error

    def _check_open(self) -> None:
        if not self._is_open:
            raise DataError(f"The writer of {self.folder} is closed. Make a new one.")

    def _codes(self, keys: Mapping[str, pl.Series], height: int) -> NDArray[np.int64]:
        codes = np.empty((height, len(self._layout.keys)), dtype=np.int64)
        for place, role in enumerate(self._layout.keys):
            if role not in keys:
                raise DataError(f"`keys` lacks the role {role!r}; it has {sorted(keys)}.")
            codes[:, place], nulls = role_codes(keys[role], column=role, first_row=self._num_rows)
            self._nulls[role] = self._nulls.get(role, 0) + nulls
        return codes

    def _remove_scratch(self) -> None:
        for file in self._raw.values():
            file.delete()
        for files in self._lists:
            files.delete()

    def _form(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "num_rows": self._num_rows,
            "layout": asdict(self._layout),
            "tasks": self._tasks,
            "extras": self._extras,
            "columns": self._columns.names,
            "facts": {"tasks": self._facts.to_json(), "nulls": self._nulls},
            "fingerprint": self._fingerprint,
        }


def _widths(layout: Layout, tasks: tuple[str, ...], extras: tuple[str, ...]) -> dict[str, int]:
    """How many columns each group has."""
    vectors = {vector_column(name): size for name, size in (layout.vectors or {}).items()}
    return {
        "ids": len(layout.ids),
        "numbers": 3 * len(layout.numbers),
        "labels": len(tasks),
        "observed": len(tasks),
        "weights": len(tasks),
        "extras": len(extras),
        "keys": len(layout.keys),
        **vectors,
    }


def _check_shape(name: str, shape: tuple[int, ...], expected: tuple[int, int]) -> None:
    if shape != expected:
        raise DataError(f"`{name}` has the shape {shape}; expected {expected}.")
