"""One form for every raw value, so that 42, "42" and 42.0 are the same id.

Training reads Parquet, serving reads JSON or CSV: the same id arrives as an integer, a text or a
float. A vocabulary is therefore keyed by the *canonical text* of a value:

- integers (any width, exact): decimal digits; floats that are whole: the same digits (1.0 -> "1"),
  other floats the shortest text that gives them back; NaN is null;
- texts, categoricals and enums: as they stand ("007" is not 7); booleans: "true" and "false";
- dates and times: ISO text in microseconds, zoned times in UTC; durations: microseconds.

Where all values of a series are integers of 64 bits, the series stays `Int64`: its text is then
never built, only implied.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray
from xxhash import xxh64_intdigest

from plait.errors import ColumnError

__all__ = ["as_integers", "as_text", "canonical", "hashes", "role_codes"]

_INT128_LIMIT = 1e38


def canonical(values: pl.Series, *, column: str) -> pl.Series:
    """The values as `Int64` where all are such integers, else as canonical `String`.

    Raises:
        ColumnError: lists, structs or bytes, which are not single values.

    Example:
        >>> canonical(pl.Series([1.0, None, 2.5]), column="version").to_list()
        ['1', None, '2.5']
        >>> canonical(pl.Series([1.0, None, 2.0]), column="version").to_list()
        [1, None, 2]
    """
    dtype = values.dtype
    if dtype == pl.String:
        return values
    if dtype.is_integer():
        return _from_integers(values)
    if dtype.is_float():
        return _from_floats(values)
    if dtype.is_decimal():
        return values.cast(pl.String).str.replace(r"(\.\d*?)0+$", "$1").str.strip_suffix(".")
    if isinstance(dtype, pl.Datetime):
        zoned = dtype.time_zone is not None
        utc = values.dt.convert_time_zone("UTC") if zoned else values
        return utc.cast(pl.Datetime("us")).cast(pl.String)
    if isinstance(dtype, pl.Duration):
        return values.cast(pl.Duration("us")).cast(pl.Int64)
    if dtype in (pl.Boolean, pl.Categorical, pl.Enum, pl.Date, pl.Time, pl.Null):
        return values.cast(pl.String)
    shown = values.drop_nulls().head(1).to_list()
    raise ColumnError(
        column,
        found=f"{len(values)} rows of type {dtype}" + (f", such as {shown[0]!r}" if shown else ""),
        expected="one number, text, boolean or date a row",
        way_out="Declare lists as Sequence or MultiHot (numbers of fixed length: Vector), and "
        "take the fields out of structs.",
    )


def as_text(values: pl.Series) -> pl.Series:
    """Canonical values as text."""
    return values if values.dtype == pl.String else values.cast(pl.String)


def as_integers(values: pl.Series) -> pl.Series:
    """Canonical values as `Int64`; null where the text is not that of an integer ("007", "a")."""
    if values.dtype == pl.Int64:
        return values
    numbers = values.cast(pl.Int64, strict=False)
    return numbers.set(numbers.cast(pl.String) != values, None)


def role_codes(
    values: pl.Series, *, column: str, first_row: int = 0
) -> tuple[NDArray[np.int64], int]:
    """Codes of a role's column (user, request …) for `Batch.keys`, and how many rows are null.

    Codes are equal where the raw values are. Integers that fit in 64 bits and texts of such are
    their own codes, and dates and times are microseconds, so that order is kept; other values are
    hashed (xxh64 of the canonical text). A null belongs to nobody: each null row has a code of its
    own, made from its position.

    Args:
        values: the raw column.
        column: its name, for messages.
        first_row: position of the first row in the whole split, where `values` is one chunk of it.

    Example:
        >>> role_codes(pl.Series([7, 3, 7]), column="user_id")
        (array([7, 3, 7]), 0)
    """
    if isinstance(values.dtype, pl.Date | pl.Datetime):
        values = values.cast(pl.Datetime("us")).cast(pl.Int64)
    form = canonical(values, column=column)
    codes = as_integers(form)
    rest = (codes.is_null() & form.is_not_null()).to_numpy()
    array = codes.fill_null(0).to_numpy(writable=True)
    if rest.any():
        array[rest] = hashes(form.filter(pl.Series(rest))).view(np.int64)
    nulls = np.flatnonzero(form.is_null().to_numpy())
    rows = [f"null row {first_row + int(row)}" for row in nulls]
    array[nulls] = hashes(pl.Series(rows, dtype=pl.String)).view(np.int64)
    return array, len(nulls)


def hashes(texts: pl.Series) -> NDArray[np.uint64]:
    """The xxh64 (seed 0) of each text's UTF-8 bytes; each distinct text is hashed once."""
    distinct = texts.unique()
    codes = [xxh64_intdigest(text.encode()) for text in distinct.to_list()]
    table = pl.DataFrame({"value": distinct, "code": pl.Series(codes, dtype=pl.UInt64)})
    found = texts.to_frame("value").join(table, on="value", how="left", maintain_order="left")
    return found["code"].to_numpy()


def _from_integers(values: pl.Series) -> pl.Series:
    if values.dtype not in (pl.UInt64, pl.Int128, pl.UInt128):
        return values.cast(pl.Int64)
    small = values.cast(pl.Int64, strict=False)
    return small if small.null_count() == values.null_count() else values.cast(pl.String)


def _from_floats(values: pl.Series) -> pl.Series:
    values = values.fill_nan(None)
    whole = (values == values.floor()) & (values.abs() < _INT128_LIMIT)
    digits = values.set(~whole, None).cast(pl.Int128)
    if digits.null_count() == values.null_count():
        return _from_integers(digits)
    return digits.cast(pl.String).zip_with(whole.fill_null(value=False), values.cast(pl.String))
