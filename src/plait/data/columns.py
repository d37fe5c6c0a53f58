"""Raw columns of a frame, read the way a feature wants them, with errors that name the column."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from plait.errors import ColumnError, UnknownNameError

from .canonical import canonical
from .lists import FlatLists, read_lists, read_vectors, read_weights
from .schema import Categorical, MultiHot, Numeric, Sequence, Vector

__all__ = ["Columns"]


@dataclass(frozen=True)
class Columns:
    """The raw columns of some rows.

    Example:
        >>> frame = pl.DataFrame({"age": ["20", None], "city": ["Bonn", "Rome"]})
        >>> Columns(frame).numbers(Numeric("age"))
        array([20., nan])
    """

    frame: pl.DataFrame

    def values(self, feature: Categorical) -> pl.Series:
        """Canonical values of a categorical feature."""
        return canonical(self._column(feature.source, feature.name), column=feature.source)

    def numbers(self, feature: Numeric) -> NDArray[np.float64]:
        """The numbers of a numeric feature, nan where missing; texts of numbers are numbers.

        Raises:
            ColumnError: a text that is no number, another type, or an infinite number.
        """
        raw = self._column(feature.source, feature.name)
        numbers = _as_numbers(raw, column=feature.source)
        infinite = numbers.is_infinite().fill_null(value=False)
        if infinite.any():
            raise ColumnError(
                feature.source,
                found=f"{infinite.sum()} of {len(raw)} rows are infinite, first row "
                f"{infinite.arg_max()}",
                expected="finite numbers or nulls",
                way_out="Make them null (read as missing) or clip them.",
            )
        return numbers.fill_null(np.nan).to_numpy()

    def lists(self, feature: Sequence | MultiHot) -> FlatLists:
        """Canonical values of a list feature, cut to its `max_length`."""
        flat = read_lists(
            self._column(feature.source, feature.name),
            column=feature.source,
            delimiter=feature.delimiter,
            max_length=feature.max_length,
            keep="last" if isinstance(feature, Sequence) else "first",
        )
        return replace(flat, values=canonical(flat.values, column=feature.source))

    def weights(self, feature: MultiHot, flat: FlatLists) -> NDArray[np.float32] | None:
        """The weights beside a multi-hot's values; None where it has none."""
        if feature.weights is None:
            return None
        return read_weights(
            self._column(feature.weights, feature.name),
            column=feature.weights,
            delimiter=feature.delimiter,
            max_length=feature.max_length,
            of=flat,
        )

    def vectors(self, feature: Vector) -> tuple[NDArray[np.float32], int]:
        """The vectors of a feature `[N, size]`, and how many rows were null."""
        raw = self._column(feature.source, feature.name)
        return read_vectors(raw, column=feature.source, size=feature.size)

    def _column(self, column: str, feature: str) -> pl.Series:
        if column not in self.frame.columns:
            raise UnknownNameError(
                column,
                what="column",
                known=self.frame.columns,
                where=f"the data, and feature {feature!r} reads it",
            )
        return self.frame[column]


def _as_numbers(raw: pl.Series, *, column: str) -> pl.Series:
    dtype = raw.dtype
    if dtype.is_numeric() or dtype in (pl.Boolean, pl.Null):
        return raw.cast(pl.Float64)
    if dtype not in (pl.String, pl.Categorical, pl.Enum):
        raise ColumnError(
            column,
            found=f"{len(raw)} rows of type {dtype}",
            expected="numbers",
            way_out="Declare it as another kind of feature, or turn it into numbers first.",
        )
    texts = raw.cast(pl.String)
    numbers = texts.cast(pl.Float64, strict=False)
    wrong = texts.filter(numbers.is_null() & texts.is_not_null())
    if len(wrong):
        raise ColumnError(
            column,
            found=f"{len(wrong)} of {len(raw)} rows hold text that is no number, such as "
            f"{wrong[0]!r}",
            expected="numbers",
            way_out="Make these rows null, or declare the feature Categorical.",
        )
    return numbers
