"""Reading columns that hold several values a row: lists, delimited texts, vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from plait.errors import ColumnError

__all__ = ["FlatLists", "read_lists", "read_vectors", "read_weights"]


@dataclass(frozen=True)
class FlatLists:
    """Ragged rows: the raw values of all rows one after another, and how many each row has.

    Attributes:
        values: the values, nulls among them.
        lengths: values of each row; 0 for empty and null lists.
        whole_lengths: the same before rows were cut.
        nulls: rows that are null.
    """

    values: pl.Series
    lengths: NDArray[np.int64]
    whole_lengths: NDArray[np.int64]
    nulls: int

    @property
    def cut(self) -> int:
        """Rows that were longer than allowed."""
        return int((self.whole_lengths > self.lengths).sum())

    @property
    def offsets(self) -> NDArray[np.int64]:
        """Where each row begins, and where the last one ends; `[N + 1]`."""
        return np.concatenate([[0], np.cumsum(self.lengths)])


def read_lists(
    values: pl.Series,
    *,
    column: str,
    delimiter: str | None,
    max_length: int,
    keep: Literal["first", "last"],
) -> FlatLists:
    """Lists, or texts split at the delimiter ("1;2;3" is [1, 2, 3], "" is the empty list).

    Parts between two delimiters that hold nothing are null values.

    Raises:
        ColumnError: neither lists nor, with a delimiter, texts; or lists of lists.

    Example:
        >>> flat = read_lists(
        ...     pl.Series(["1;2;3", "", None]),
        ...     column="tags", delimiter=";", max_length=2, keep="last",
        ... )
        >>> flat.values.to_list(), flat.lengths.tolist(), flat.cut, flat.nulls
        (['2', '3'], [2, 0, 0], 1, 1)
    """
    lists = _as_lists(values, column=column, delimiter=delimiter)
    whole = lists.list.len().fill_null(0).cast(pl.Int64).to_numpy()
    kept = lists.list.tail(max_length) if keep == "last" else lists.list.head(max_length)
    lengths = np.minimum(whole, max_length)
    flat = kept.filter(pl.Series(lengths > 0)).explode()
    if delimiter is not None and flat.dtype == pl.String:
        flat = flat.set(flat == "", None)
    return FlatLists(flat, lengths, whole, values.null_count())


def read_weights(
    values: pl.Series,
    *,
    column: str,
    delimiter: str | None,
    max_length: int,
    of: FlatLists,
) -> NDArray[np.float32]:
    """The weights beside the values of a multi-hot, `float32 [number of values]`.

    Raises:
        ColumnError: a row has more or fewer weights than values, or a weight is no finite number.
    """
    flat = read_lists(
        values, column=column, delimiter=delimiter, max_length=max_length, keep="first"
    )
    unlike = np.flatnonzero(flat.whole_lengths != of.whole_lengths)
    if len(unlike):
        row = int(unlike[0])
        raise ColumnError(
            column,
            found=f"{len(unlike)} rows hold another number of weights than values; row {row} has "
            f"{flat.whole_lengths[row]} weights for {of.whole_lengths[row]} values",
            expected="one weight for each value",
            way_out="Fill or drop these rows before they reach the schema's `weights` column.",
        )
    numbers = flat.values.cast(pl.Float32, strict=False)
    bad = ~numbers.is_finite().fill_null(value=False)
    if bad.any():
        row = int(np.searchsorted(flat.offsets, int(bad.arg_max() or 0), side="right")) - 1
        raise ColumnError(
            column,
            found=f"{bad.sum()} weights are null or no finite number, such as "
            f"{flat.values.filter(bad)[0]!r} in row {row}",
            expected="finite numbers",
            way_out="Give every value a weight, or drop it together with its value.",
        )
    return numbers.to_numpy()


def read_vectors(values: pl.Series, *, column: str, size: int) -> tuple[NDArray[np.float32], int]:
    """Vectors of exactly `size` finite numbers, `float32 [N, size]`, and how many rows are null.

    A null row becomes zeros.

    Raises:
        ColumnError: no lists of numbers, another length, or a number that is not finite.
    """
    lists = _as_lists(values, column=column, delimiter=None)
    inner = lists.dtype.inner  # type: ignore[attr-defined]  # _as_lists gives lists only
    if not (inner.is_numeric() or inner == pl.Null):
        raise ColumnError(
            column,
            found=f"lists of {inner}",
            expected=f"lists of {size} numbers",
            way_out="Declare lists of values as Sequence or MultiHot.",
        )
    present = lists.is_not_null().to_numpy()
    rows = np.flatnonzero(present)
    lengths = lists.list.len().drop_nulls().to_numpy()
    _refuse_vectors(column, rows[lengths != size], lists, expected=f"{size} numbers a row")
    flat = lists.drop_nulls().explode() if len(rows) else pl.Series([], dtype=pl.Float32)
    numbers = flat.cast(pl.Float32).fill_null(np.nan).to_numpy().reshape(-1, size)
    finite = np.isfinite(numbers).all(axis=1)
    _refuse_vectors(column, rows[~finite], lists, expected=f"{size} finite numbers a row")
    vectors = np.zeros((len(lists), size), dtype=np.float32)
    vectors[rows] = numbers
    return vectors, len(lists) - len(rows)


def _as_lists(values: pl.Series, *, column: str, delimiter: str | None) -> pl.Series:
    dtype = values.dtype
    if dtype == pl.Null:
        return values.cast(pl.List(pl.Null))
    if isinstance(dtype, pl.Array):
        values = values.arr.to_list()
        dtype = values.dtype
    if isinstance(dtype, pl.List):
        if not isinstance(dtype.inner, pl.List | pl.Array):
            return values
        way_out = "Flatten the inner lists, or make one column of each level."
    elif delimiter is not None and dtype in (pl.String, pl.Categorical, pl.Enum):
        texts = values.cast(pl.String)
        return texts.str.split(delimiter).set(texts == "", None)
    elif dtype == pl.String:
        way_out = 'Say how its texts are split: `delimiter=";"`.'
    else:
        way_out = "Declare single values as Categorical or Numeric."
    shown = values.drop_nulls().head(1).to_list()
    raise ColumnError(
        column,
        found=f"{len(values)} rows of type {dtype}, such as {_short(shown)}",
        expected="a list of values a row" + ("" if delimiter is None else " or a delimited text"),
        way_out=way_out,
    )


def _refuse_vectors(
    column: str, rows: NDArray[np.int64], lists: pl.Series, *, expected: str
) -> None:
    if not len(rows):
        return
    first = int(rows[0])
    raise ColumnError(
        column,
        found=f"{len(rows)} rows do not fit, first row {first}: {_short(lists[first].to_list())}",
        expected=expected,
        way_out="Correct `size`, or make these rows null: a null row is read as zeros.",
    )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:80] + "…"
