"""Files of a store while it is being written: ragged features and raw columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import polars.selectors as cs
import pyarrow as pa

from plait.errors import DataError

from .files import sync
from .mapped import RawFile
from .prepared import RaggedArray

__all__ = ["ColumnsFile", "ListFiles"]


class ListFiles:
    """The scratch files of one list feature."""

    def __init__(self, folder: Path, place: int) -> None:
        self._values = RawFile(folder / f"list-{place}.values.raw", np.int32)
        self._offsets = RawFile(folder / f"list-{place}.offsets.raw", np.int64)
        self._offsets.append(np.zeros(1, dtype=np.int64))
        self._weights_path = folder / f"list-{place}.weights.raw"
        self._weights: RawFile | None = None

    def append(self, ragged: RaggedArray) -> None:
        """Append the rows of a chunk."""
        self._offsets.append(ragged.offsets[1:] + self._values.size)
        self._values.append(ragged.values)
        if ragged.weights is not None:
            self._weights = self._weights or RawFile(self._weights_path, np.float32)
            self._weights.append(ragged.weights)

    def arrays(self) -> dict[str, pa.Array]:
        """All rows, mapped from disk."""
        offsets = self._offsets.array()
        arrays = {"values": pa.LargeListArray.from_arrays(offsets, self._values.array())}
        if self._weights is not None:
            weights = self._weights.array()
            arrays["weights"] = pa.LargeListArray.from_arrays(offsets, weights)
        return arrays

    def delete(self) -> None:
        """Close and remove the scratch files."""
        for file in (self._values, self._offsets, self._weights):
            if file is not None:
                file.delete()


class ColumnsFile:
    """Raw columns, one record batch a chunk; categoricals as their texts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._schema: pa.Schema | None = None
        self._sink: pa.OSFile | None = None
        self._writer: pa.RecordBatchFileWriter | None = None

    @property
    def names(self) -> list[str]:
        """Names of the columns; none before the first chunk."""
        return [] if self._schema is None else self._schema.names

    def append(self, columns: pl.DataFrame) -> None:
        """Append a chunk.

        Raises:
            DataError: its columns or their types are not those of the first chunk.
        """
        texts = columns.with_columns((cs.categorical() | cs.enum()).cast(pl.String))
        table = texts.to_arrow(compat_level=pl.CompatLevel.oldest())
        if self._schema is None:
            self._schema = table.schema
        if table.schema != self._schema:
            raise DataError(
                f"The raw columns of this chunk are {_shown(table.schema)}; those of the first "
                f"chunk were {_shown(self._schema)}. Give every chunk the same columns and types."
            )
        if self._schema.names:
            self._open(self._schema).write_table(table)

    def close(self) -> None:
        """End the file and bring it to disk."""
        if self._writer is not None and self._sink is not None:
            self._writer.close()
            self._sink.close()
            self._writer = self._sink = None
            sync(self._path)

    def _open(self, schema: pa.Schema) -> pa.RecordBatchFileWriter:
        if self._writer is None:
            self._sink = pa.OSFile(str(self._path), "wb")
            self._writer = pa.ipc.new_file(self._sink, schema)
        return self._writer


def _shown(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} {field.type}" for field in schema) or "(none)"
