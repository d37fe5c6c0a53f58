"""Files and data frames of every common kind become one lazy polars frame, or a clear error."""

from __future__ import annotations

import glob
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
import polars as pl
import pyarrow as pa

from plait.errors import DataError, did_you_mean

from .columnar import check_names, check_one_schema, scan_arrow, scan_parquet
from .delimited import scan_delimited
from .row_hash import uniform

__all__ = ["Source", "collect_checked", "contents", "read", "read_many"]

_SEPARATORS = {".csv": ",", ".csv.gz": ",", ".tsv": "\t", ".tsv.gz": "\t"}
_ARROW = (".arrow", ".feather", ".ipc")
_PARQUET = (".parquet", ".pq")
_KNOWN = (*_PARQUET, *_SEPARATORS, *_ARROW)


@runtime_checkable
class ArrowTable(Protocol):
    """Anything that hands out Arrow data: pyarrow, pandas, DuckDB, Ibis and others."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


Source: TypeAlias = str | Path | pl.DataFrame | pl.LazyFrame | ArrowTable


def read(source: Source) -> pl.LazyFrame:
    """Whatever holds the log, as one lazy frame; nothing big is read yet.

    Stability: stable.

    Headers and footers are checked at once. Of CSV files every row is, since their types are only
    known at the end (`plait.data.delimited`). Numbers that are nan are read as missing. Integers
    keep their width and their digits: none becomes a float.

    Args:
        source: a path to a Parquet file (.parquet), a folder of Parquet files, a CSV file (.csv,
            .tsv, also .gz), an Arrow file (.arrow, .feather, .ipc), a glob of files of one kind
            (`logs/2024-*.csv`), or a data frame of polars, pandas, pyarrow, DuckDB and others with
            the Arrow PyCapsule interface.

    Raises:
        DataError: what is wrong with which file and what to do: it does not exist, is empty, is
            cut off, has a suffix that is not known, repeats a column, has a broken row, or
            disagrees with its neighbours about a column.

    Example:
        >>> read(pl.DataFrame({"user": [2**60 + 1], "click": [1]})).collect().row(0)
        (1152921504606846977, 1)
    """
    if isinstance(source, str | Path):
        lazy = _scan(_files(source))
    elif isinstance(source, pl.LazyFrame):
        lazy = source
    else:
        lazy = _from_memory(source)
    floats = [name for name, dtype in lazy.collect_schema().items() if dtype.is_float()]
    return lazy.with_columns(pl.col(floats).fill_nan(None)) if floats else lazy


def contents(source: Source) -> list[Path | pl.DataFrame]:
    """What a fingerprint of a source reads: its files, or the data frame itself.

    Raises:
        DataError: there is no such file.
    """
    return list(_files(source)) if isinstance(source, str | Path) else [read(source).collect()]


def read_many(
    sources: Mapping[str, Source],
    *,
    ratios: Mapping[str, float] | None = None,
    seed: int = 0,
    source_column: str = "source",
) -> pl.LazyFrame:
    """Several logs of one schema below each other, if wanted in a stated mix.

    Args:
        sources: name of the log -> what `read` takes.
        ratios: name of the log -> its part of the mix, in any unit (3 and 1 are 75 % and 25 %).
            As many rows as that mix allows are kept, up to the chance of the draw, which is by
            row number and the same for each call. None: all rows.
        seed: of the draw.
        source_column: a new column with the name of the log.

    Raises:
        DataError: no log, ratios that do not fit the logs, schemas that differ, or a source
            column that is there already.
    """
    if not sources:
        raise DataError("`sources` is empty: name at least one log.")
    logs = {name: read(source) for name, source in sources.items()}
    check_one_schema({name: log.collect_schema() for name, log in logs.items()})
    if source_column in next(iter(logs.values())).collect_schema():
        raise DataError(
            f"The logs have a column {source_column!r} already: choose another `source_column`."
        )
    shares = _kept_shares(logs, ratios)
    drawn = [
        _draw(log, share=shares[name], seed=seed).with_columns(pl.lit(name).alias(source_column))
        for name, log in logs.items()
    ]
    return pl.concat(drawn, how="vertical")


def collect_checked(lazy: pl.LazyFrame, *, where: str) -> pl.DataFrame:
    """The rows of a lazy frame; what goes wrong while reading names the place.

    Args:
        lazy: what to collect, in a streaming way.
        where: what is being read, for the message ("the log").

    Raises:
        DataError: bytes in the middle of a file that cannot be read, types that do not fit, and
            all else that polars finds only when it computes.
    """
    try:
        return lazy.collect(engine="streaming")
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(
            f"{where} cannot be read: {reason}. If a file was cut off or changed, write it again."
        ) from error


def _files(source: str | Path) -> list[Path]:
    path = Path(source)
    if path.is_dir():
        return _files_of_folder(path)
    if path.exists():
        return [path]
    if any(sign in str(source) for sign in "*?["):
        found = sorted(Path(name) for name in glob.glob(str(source), recursive=True))
        if not found:
            raise DataError(f"No file matches {str(source)!r} (from {Path.cwd()}).")
        return found
    folder = path.parent
    if not folder.is_dir():
        raise DataError(f"There is no file {str(source)!r}: its folder does not exist either.")
    hint = did_you_mean(path.name, (file.name for file in folder.iterdir()))
    raise DataError(f"There is no file {str(source)!r}. {hint}")


def _files_of_folder(folder: Path) -> list[Path]:
    found = sorted(
        file
        for file in folder.rglob("*")
        if _suffix(file) in _PARQUET and not file.name.startswith((".", "_"))
    )
    if not found:
        held = sorted(file.name for file in folder.iterdir())[:5]
        raise DataError(
            f"Folder {str(folder)!r} has no Parquet file; it holds {', '.join(held) or 'nothing'}. "
            f"Files of another kind are read by a glob, such as '{folder}/*.csv'."
        )
    return found


def _suffix(file: Path) -> str:
    return "".join(file.suffixes[-2:] if file.suffix == ".gz" else file.suffixes[-1:]).lower()


def _scan(files: Sequence[Path]) -> pl.LazyFrame:
    for file in files:
        if file.stat().st_size == 0:
            raise DataError(f"{file} is empty (0 bytes). Is the export finished?")
    suffixes = sorted({_suffix(file) for file in files})
    if set(suffixes) <= set(_PARQUET):
        return scan_parquet(files)
    if set(suffixes) <= set(_ARROW):
        return scan_arrow(files)
    if set(suffixes) <= set(_SEPARATORS) and len({_SEPARATORS[name] for name in suffixes}) == 1:
        return scan_delimited(files, _SEPARATORS[suffixes[0]])
    unknown = [file for file in files if _suffix(file) not in _KNOWN]
    if unknown:
        raise DataError(
            f"{unknown[0]} has the suffix {_suffix(unknown[0])!r}, which is not known. Supported: "
            f"{', '.join(_KNOWN)}. Data of another kind can be passed as a data frame."
        )
    raise DataError(f"Files of different kinds are read together: {', '.join(suffixes)}.")


def _from_memory(source: object) -> pl.LazyFrame:
    if isinstance(source, pl.DataFrame):
        frame = source
    elif _is_pandas(source):
        frame = _from_pandas(source)
    elif isinstance(source, ArrowTable) and not isinstance(source, pl.Series):
        frame = _from_arrow(source)
    else:
        raise DataError(
            f"{type(source).__name__} is not a table. `read` takes a path, or a data frame of "
            "polars, pandas, pyarrow or another library with `__arrow_c_stream__`. "
            "Lists and dicts can be wrapped: polars.DataFrame(...)."
        )
    if frame.height == 0:
        raise DataError(f"The {type(source).__name__} has no rows.")
    return frame.lazy()


def _is_pandas(source: object) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(source, pandas.DataFrame)


def _from_pandas(source: object) -> pl.DataFrame:
    check_names([str(name) for name in source.columns], "The pandas DataFrame")  # type: ignore[attr-defined]
    try:
        return pl.from_pandas(source)  # type: ignore[call-overload,no-any-return]
    except (pa.ArrowException, OverflowError) as error:
        raise DataError(
            f"A column of the pandas DataFrame mixes types or holds integers beyond 64 bits: "
            f"{error}. Make it one type, such as text: frame[column].astype('string')."
        ) from error


def _from_arrow(source: ArrowTable) -> pl.DataFrame:
    try:
        return pl.DataFrame(source)
    except pl.exceptions.DuplicateError as error:
        raise DataError(f"The {type(source).__name__} repeats a column name: {error}") from error
    except pl.exceptions.PolarsError as error:
        raise DataError(f"The {type(source).__name__} is not a table: {error}") from error


def _kept_shares(
    logs: Mapping[str, pl.LazyFrame], ratios: Mapping[str, float] | None
) -> dict[str, float]:
    if ratios is None:
        return dict.fromkeys(logs, 1.0)
    if set(ratios) != set(logs):
        raise DataError(f"`ratios` names {sorted(ratios)}, the logs are {sorted(logs)}.")
    if not all(0 < ratio < float("inf") for ratio in ratios.values()):
        raise DataError(f"`ratios` must be positive numbers, got {dict(ratios)}.")
    rows = {
        name: collect_checked(log.select(pl.len()), where=f"log {name!r}").item()
        for name, log in logs.items()
    }
    unit = min(rows[name] / ratios[name] for name in logs)
    return {name: unit * ratios[name] / max(rows[name], 1) for name in logs}


def _draw(log: pl.LazyFrame, *, share: float, seed: int) -> pl.LazyFrame:
    if share >= 1:
        return log
    number = "row number\0"
    is_drawn = pl.col(number).map_batches(
        partial(_is_drawn, share=share, seed=seed), return_dtype=pl.Boolean, is_elementwise=True
    )
    return log.with_row_index(number).filter(is_drawn).drop(number)


def _is_drawn(rows: pl.Series, *, share: float, seed: int) -> pl.Series:
    return pl.Series(uniform(rows.to_numpy().astype(np.uint64), seed=seed) < share)
