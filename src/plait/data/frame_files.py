"""Frames written one after another to one file, as its suffix says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, Protocol

import polars as pl
import polars.selectors as cs
import pyarrow as pa
import pyarrow.parquet as pq

from plait.errors import DataError

from .files import replacing

__all__ = ["append_frames", "check_suffix"]

_SUFFIXES = (".parquet", ".csv", ".arrow")


@contextmanager
def append_frames(path: Path) -> Iterator[Callable[[pl.DataFrame], None]]:
    """Gives a function that appends a frame; on leaving, the file is there whole or not at all.

    Memory holds one frame, which becomes a row group or record batch. Categoricals are written as
    their texts.

    Args:
        path: `.parquet`, `.csv` or `.arrow`; its folder is made.

    Raises:
        DataError: another suffix, a column that CSV cannot hold, frames that differ in their
            columns, or a disk that is full.
    """
    check_suffix(path)
    with _disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        writer = _Texts(file, path) if path.suffix == ".csv" else _Tables(file, path)
        first: pl.Schema | None = None

        def append(frame: pl.DataFrame) -> None:
            nonlocal first
            texts = frame.with_columns((cs.categorical() | cs.enum()).cast(pl.String))
            first = first or texts.schema
            if texts.schema != first:
                raise DataError(
                    f"{path}: these rows have the columns {_shown(texts.schema)}; the first ones "
                    f"had {_shown(first)}. Give all of them the same columns and types."
                )
            with _disk(path):
                writer.append(texts)

        try:
            yield append
        finally:
            with _disk(path):
                writer.close()


def check_suffix(path: Path) -> None:
    """See that rows can be written to a file of this name.

    Raises:
        DataError: another suffix.
    """
    if path.suffix not in _SUFFIXES:
        raise DataError(
            f"{path}: the suffix says how rows are written; it is one of "
            f"{', '.join(_SUFFIXES)}, got {path.suffix!r}."
        )


@contextmanager
def _disk(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{path} could not be written: {error.strerror or error}. Free some space, or name "
            "another file."
        ) from error


def _shown(schema: pl.Schema) -> str:
    return ", ".join(f"{name} {dtype}" for name, dtype in schema.items())


class _Texts:
    """CSV: a header, and lines."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file = file
        self._path = path
        self._has_header = False

    def append(self, frame: pl.DataFrame) -> None:
        nested = [name for name, dtype in frame.schema.items() if dtype.is_nested()]
        if nested:
            raise DataError(
                f"{self._path}: CSV cannot hold the lists in {', '.join(nested)}. Write .parquet, "
                "or keep other columns."
            )
        frame.write_csv(self._file, include_header=not self._has_header)
        self._has_header = True

    def close(self) -> None:
        """Nothing waits to be written."""


class _Sink(Protocol):
    def write_table(self, table: pa.Table) -> None: ...

    def close(self) -> None: ...


class _Tables:
    """Parquet or Arrow: a row group or record batch for each frame."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        is_parquet = path.suffix == ".parquet"
        make = partial(pq.ParquetWriter, compression="zstd") if is_parquet else pa.ipc.new_file
        self._make: Callable[[pa.Schema], _Sink] = partial(make, file)
        self._sink: _Sink | None = None

    def append(self, frame: pl.DataFrame) -> None:
        table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
        self._sink = self._sink or self._make(table.schema)
        self._sink.write_table(table)

    def close(self) -> None:
        if self._sink is not None:
            self._sink.close()
