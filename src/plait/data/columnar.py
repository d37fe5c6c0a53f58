"""Parquet and Arrow files: footers and schemas checked before anything is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from plait.errors import DataError

__all__ = ["check_names", "check_one_schema", "scan_arrow", "scan_parquet"]


def scan_parquet(files: Sequence[Path]) -> pl.LazyFrame:
    """Parquet files of one schema, their footers checked; folders `day=1` become a column.

    Raises:
        DataError: a file that is cut off or not Parquet, a repeated column, no rows, or files that
            disagree about a column.
    """
    rows = sum(_parquet_rows(file) for file in files)
    _check_rows_exist(rows, files)
    check_one_schema({str(file): pl.Schema(pl.read_parquet_schema(file)) for file in files})
    is_hive = any("=" in file.parent.name for file in files)
    return pl.scan_parquet(list(files), glob=False, hive_partitioning=is_hive)


def _parquet_rows(file: Path) -> int:
    try:
        metadata = pq.read_metadata(file)
        names = metadata.schema.to_arrow_schema().names
    except (pa.ArrowException, OSError) as error:
        raise _cut_off(file, "Parquet", error) from error
    check_names(names, str(file))
    return int(metadata.num_rows)


def scan_arrow(files: Sequence[Path]) -> pl.LazyFrame:
    """Arrow files of one schema, in the file format (mapped lazily) or the stream format (read).

    Raises:
        DataError: as `scan_parquet`.
    """
    frames = {str(file): _arrow_frame(file) for file in files}
    check_one_schema({name: frame.collect_schema() for name, frame in frames.items()})
    joined = pl.concat(list(frames.values()), how="vertical")
    _check_rows_exist(joined.select(pl.len()).collect().item(), files)
    return joined


def _arrow_frame(file: Path) -> pl.LazyFrame:
    with file.open("rb") as opened:
        is_file_format = opened.read(6) == b"ARROW1"
    try:
        # The stream format has no footer: it is read through, without a copy.
        with pa.memory_map(str(file)) as mapped:
            reader = (pa.ipc.open_file if is_file_format else pa.ipc.open_stream)(mapped)
            check_names(reader.schema.names, str(file))
            if not is_file_format:
                return pl.DataFrame(reader.read_all()).lazy()
    except (pa.ArrowException, OSError) as error:
        raise _cut_off(file, "Arrow", error) from error
    return pl.scan_ipc(file, glob=False)


def _cut_off(file: Path, kind: str, error: Exception) -> DataError:
    return DataError(
        f"{file} ({file.stat().st_size} bytes) is truncated or not {kind}: {error}. "
        "Copy it again and compare its size, or write it again."
    )


def _check_rows_exist(rows: int, files: Sequence[Path]) -> None:
    if rows == 0:
        names = ", ".join(str(file) for file in files[:3])
        raise DataError(f"{names} has columns but no rows. Is the export finished?")


def check_names(names: Iterable[str], where: str) -> None:
    """See that no column name comes twice.

    Raises:
        DataError: with the names that do.
    """
    seen = list(names)
    twice = sorted({name for name in seen if seen.count(name) > 1})
    if twice:
        raise DataError(
            f"{where} has several columns named {', '.join(map(repr, twice))}. Rename all but one."
        )


def check_one_schema(schemas: Mapping[str, pl.Schema]) -> None:
    """See that tables which are read together have the same columns of the same types.

    Raises:
        DataError: naming the two tables, the column and its types in both.
    """
    (first_name, first), *others = schemas.items()
    for name, schema in others:
        for column in sorted({*first, *schema}):
            here, there = schema.get(column), first.get(column)
            if here != there:
                raise DataError(
                    f"{name} and {first_name} disagree about column {column!r}: it is "
                    f"{here or 'absent'} in the one and {there or 'absent'} in the other. Write "
                    "them with one schema."
                )
