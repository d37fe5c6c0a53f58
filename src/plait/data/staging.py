"""A lazy frame written out once and read back in chunks, so that memory stays flat."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import polars as pl

from plait.errors import DataError

CHUNK_ROWS = 131_072


def stage(frame: pl.LazyFrame, columns: Collection[str], path: Path) -> pl.LazyFrame:
    """The columns of a frame as an Arrow file, mapped into memory.

    Joins and expressions of a lazy frame are computed once, however often its chunks are read.

    Raises:
        DataError: the disk is full or cannot be written to, or a source cannot be read.
    """
    try:
        path.touch()
        frame.select(list(columns)).sink_ipc(path, compression="uncompressed", maintain_order=True)
    except OSError as error:
        if isinstance(error, FileNotFoundError) and path.exists():  # not our file: a source
            raise DataError(f"The rows cannot be read: {error}.") from error
        raise DataError(
            f"{path.parent} cannot be written to: {error.strerror or error}. Free some space, or "
            "choose another folder with `out` or `cache`."
        ) from error
    except pl.exceptions.PolarsError as error:
        raise DataError(f"The rows cannot be read: {str(error).splitlines()[0]}.") from error
    return pl.scan_ipc(path)


def chunks(frame: pl.LazyFrame, num_rows: int) -> Iterator[pl.DataFrame]:
    """The rows of a staged frame, so many at a time."""
    for start in range(0, num_rows, CHUNK_ROWS):
        yield frame.slice(start, CHUNK_ROWS).collect()
