"""Arrow files that are written in bounded memory and read without copying.

A file holds one record batch, so that each column is one contiguous buffer and a row of a group
is one run of bytes: gathering a batch copies once per group, whatever the number of columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import DTypeLike, NDArray

from .files import sync

__all__ = [
    "Matrix",
    "Ragged",
    "RawFile",
    "map_file",
    "matrix",
    "numbers",
    "runs",
    "write_file",
]

Matrix = NDArray[Any]
"""A group of columns of one type, `[N, width]`, row after row in memory."""


class RawFile:
    """Numbers appended to a scratch file, later mapped as one Arrow array."""

    def __init__(self, path: Path, dtype: DTypeLike) -> None:
        self.dtype = np.dtype(dtype)
        self.size = 0
        self._path = path
        self._file = path.open("wb")

    def append(self, numbers: NDArray[Any]) -> None:
        """Append all numbers, row after row."""
        if numbers.size:
            self._file.write(np.ascontiguousarray(numbers, dtype=self.dtype).data)
            self.size += numbers.size

    def array(self) -> pa.Array:
        """Everything that was appended, mapped from disk."""
        self._file.close()
        buffer = pa.memory_map(str(self._path)).read_buffer() if self.size else pa.py_buffer(b"")
        return pa.Array.from_buffers(pa.from_numpy_dtype(self.dtype), self.size, [None, buffer])

    def rows(self, width: int) -> pa.Array:
        """The same as rows of `width` numbers."""
        return pa.FixedSizeListArray.from_arrays(self.array(), width)

    def delete(self) -> None:
        """Close and remove the scratch file."""
        with suppress(OSError):  # a full disk: the bytes that cannot be flushed are not wanted
            self._file.close()
        self._path.unlink(missing_ok=True)


def write_file(path: Path, columns: Mapping[str, pa.Array]) -> None:
    """Write the columns as one record batch, and bring it to disk."""
    batch = pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    sync(path)


def map_file(path: Path) -> pa.RecordBatch:
    """The one record batch of a file, mapped: its pages are read when they are touched."""
    return pa.ipc.open_file(pa.memory_map(str(path))).get_batch(0)


def matrix(column: pa.Array) -> Matrix:
    """The rows of a fixed-size list column, without a copy."""
    return numbers(column.values).reshape(len(column), column.type.list_size)


def numbers(array: pa.Array) -> NDArray[Any]:
    """The numbers of an array without nulls, without a copy.

    `array.to_numpy` would import pandas where it is installed: a second of every process.
    """
    dtype = np.dtype(array.type.to_pandas_dtype())
    buffer = array.buffers()[1]
    return np.frombuffer(buffer, dtype, count=len(array), offset=array.offset * dtype.itemsize)


class Ragged:
    """Rows of different length over mapped buffers.

    Example:
        >>> ragged = Ragged(np.array([7, 8, 9], dtype=np.int32), np.array([0, 2, 2, 3]), None)
        >>> ragged.take(np.array([2, 0]))[0].tolist()
        [9, 7, 8]
    """

    def __init__(
        self,
        values: NDArray[np.int32],
        offsets: NDArray[np.int64],
        weights: NDArray[np.float32] | None,
    ) -> None:
        self.values = values
        self.offsets = offsets
        self.weights = weights

    @classmethod
    def of(cls, batch: pa.RecordBatch) -> Ragged:
        """The rows of a file with a column `values`, and one of `weights` where there are any."""
        values = batch.column("values")
        weighted = "weights" in batch.schema.names
        return cls(
            numbers(values.values),
            numbers(values.offsets),
            numbers(batch.column("weights").values) if weighted else None,
        )

    def take(
        self, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.float32] | None]:
        """Values, offsets and weights of these rows, in their order."""
        starts = self.offsets.take(rows)
        places, offsets = runs(starts, self.offsets.take(rows + 1) - starts)
        weights = None if self.weights is None else self.weights.take(places)
        return self.values.take(places), offsets, weights


def runs(
    starts: NDArray[np.int64], lengths: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The places of runs laid one after another, and the offsets of the runs in the result.

    Example:
        >>> runs(np.array([5, 0]), np.array([2, 3]))
        (array([5, 6, 0, 1, 2]), array([0, 2, 5]))
    """
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1]), offsets
