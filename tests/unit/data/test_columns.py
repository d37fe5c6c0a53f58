"""Raw columns, read the way a feature wants them."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest

from plait.data.columns import Columns
from plait.data.schema import Categorical, Numeric
from plait.errors import ColumnError, UnknownNameError


def numbers(values: pl.Series) -> list[float]:
    return list(Columns(pl.DataFrame({"age": values})).numbers(Numeric("age")))


@pytest.mark.parametrize(
    "values",
    [
        pl.Series([1, None]),
        pl.Series([1.0, float("nan")]),
        pl.Series([True, None]),
        pl.Series(["1", None]),
        pl.Series(["1.0", None], dtype=pl.Categorical),
        pl.Series([1, None], dtype=pl.Int128),
    ],
)
def test_case_106_numbers_come_in_many_types_and_nan_is_missing(values: pl.Series) -> None:
    np.testing.assert_array_equal(numbers(values), [1.0, np.nan])


def test_a_column_of_nulls_is_missing_throughout() -> None:
    assert np.isnan(numbers(pl.Series([None, None]))).all()


def test_text_among_numbers_is_shown() -> None:
    with pytest.raises(ColumnError, match=r"'age': 2 of 3 rows hold text .* such as 'old'"):
        numbers(pl.Series(["3", "old", "x"]))


def test_dates_are_no_numbers() -> None:
    with pytest.raises(ColumnError, match="'age': 1 rows of type Date"):
        numbers(pl.Series([date(2024, 1, 1)]))


def test_infinite_numbers_are_counted_and_the_first_row_named() -> None:
    with pytest.raises(ColumnError, match=r"2 of 4 rows are infinite, first row 1.*clip them"):
        numbers(pl.Series([1.0, float("-inf"), None, float("inf")]))


def test_a_missing_column_names_the_feature_and_the_nearest_column() -> None:
    with pytest.raises(UnknownNameError, match=r"'ctiy' in the data.*'town' reads it.*'city'"):
        Columns(pl.DataFrame({"city": ["Bonn"]})).values(Categorical("town", column="ctiy"))
