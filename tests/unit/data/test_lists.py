"""Reading columns that hold several values a row."""

from __future__ import annotations

from typing import Literal

import numpy as np
import polars as pl
import pytest

from plait.data.lists import FlatLists, read_lists, read_vectors, read_weights
from plait.errors import ColumnError


def read(
    values: pl.Series,
    *,
    delimiter: str | None = None,
    max_length: int = 9,
    keep: Literal["first", "last"] = "last",
) -> FlatLists:
    return read_lists(values, column="tags", delimiter=delimiter, max_length=max_length, keep=keep)


def test_empty_and_null_rows_hold_nothing_and_nulls_are_counted() -> None:
    flat = read(pl.Series([[1, 2], [], None, [3]]))
    assert flat.values.to_list() == [1, 2, 3]
    assert flat.lengths.tolist() == [2, 0, 0, 1]
    assert flat.offsets.tolist() == [0, 2, 2, 2, 3]
    assert flat.nulls == 1
    assert flat.cut == 0


def test_the_last_or_the_first_values_are_kept_and_cut_rows_counted() -> None:
    values = pl.Series([[1, 2, 3], [4], [5, 6, 7, 8]])
    assert read(values, max_length=2).values.to_list() == [2, 3, 4, 7, 8]
    first = read(values, max_length=2, keep="first")
    assert first.values.to_list() == [1, 2, 4, 5, 6]
    assert first.cut == 2


def test_nulls_among_the_values_stay() -> None:
    assert read(pl.Series([[1, None], [None]])).values.to_list() == [1, None, None]


def test_texts_are_split_and_an_empty_text_is_an_empty_list() -> None:
    flat = read(pl.Series(["1;2;3", "", None, "a;;b"]), delimiter=";")
    assert flat.values.to_list() == ["1", "2", "3", "a", None, "b"]
    assert flat.lengths.tolist() == [3, 0, 0, 3]
    assert flat.nulls == 1


def test_lists_are_welcome_where_a_delimiter_is_named() -> None:
    assert read(pl.Series([[1], [2, 3]]), delimiter=";").values.to_list() == [1, 2, 3]


def test_fixed_arrays_are_lists() -> None:
    arrays = pl.Series([[1, 2], [3, 4]], dtype=pl.Array(pl.Int64, 2))
    assert read(arrays).values.to_list() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "values", [pl.Series([None, None]), pl.Series([], dtype=pl.List(pl.Int64)), pl.Series([[], []])]
)
def test_columns_without_a_value_are_no_harm(values: pl.Series) -> None:
    flat = read(values)
    assert len(flat.values) == 0
    assert flat.lengths.tolist() == [0] * len(values)


def test_text_without_a_delimiter_is_told_of_it() -> None:
    with pytest.raises(ColumnError, match=r"'tags'.*such as \['a;b'\].*`delimiter="):
        read(pl.Series(["a;b"]))


def test_single_values_are_told_of_categorical() -> None:
    with pytest.raises(ColumnError, match=r"Int64.*a list of values a row or a delimited.*Categor"):
        read(pl.Series([3]), delimiter=";")


def test_lists_of_lists_are_told_to_be_flattened() -> None:
    with pytest.raises(ColumnError, match="Flatten the inner lists"):
        read(pl.Series([[[1], [2]]]))


def weights_of(values: pl.Series, weights: pl.Series, *, max_length: int = 9) -> list[float]:
    flat = read(values, max_length=max_length, keep="first")
    found = read_weights(weights, column="shares", delimiter=None, max_length=max_length, of=flat)
    return list(found)


def test_weights_are_cut_like_the_values() -> None:
    values, weights = pl.Series([["a", "b"], None, ["c"]]), pl.Series([[0.5, 2], [], [3]])
    assert weights_of(values, weights) == [0.5, 2.0, 3.0]
    assert weights_of(values, weights, max_length=1) == [0.5, 3.0]


def test_weights_of_another_number_name_the_first_row() -> None:
    with pytest.raises(ColumnError, match=r"'shares': 1 rows.*row 1 has 2 weights for 1 values"):
        weights_of(pl.Series([["a"], ["b"]]), pl.Series([[1.0], [1.0, 2.0]]))


def test_a_longer_list_of_weights_is_wrong_even_where_both_are_cut() -> None:
    with pytest.raises(ColumnError, match="row 0 has 3 weights for 2 values"):
        weights_of(pl.Series([["a", "b"]]), pl.Series([[1.0, 2.0, 3.0]]), max_length=1)


@pytest.mark.parametrize("bad", [None, float("nan"), float("inf")])
def test_weights_must_be_finite(bad: float | None) -> None:
    with pytest.raises(ColumnError, match=r"'shares': 1 weights are null or no finite.*in row 2"):
        weights_of(pl.Series([["a"], [], ["b", "c"]]), pl.Series([[1.0], [], [1.0, bad]]))


def test_vectors_become_a_matrix_and_null_rows_zeros() -> None:
    vectors, nulls = read_vectors(pl.Series([[1, 2], None, [3, 4]]), column="image", size=2)
    np.testing.assert_array_equal(vectors, np.array([[1, 2], [0, 0], [3, 4]], dtype=np.float32))
    assert vectors.dtype == np.float32
    assert nulls == 1


@pytest.mark.parametrize("values", [pl.Series([None]), pl.Series([None], dtype=pl.List(pl.Int8))])
def test_only_null_vectors_are_all_zeros(values: pl.Series) -> None:
    vectors, nulls = read_vectors(values, column="image", size=2)
    assert vectors.tolist() == [[0.0, 0.0]]
    assert nulls == 1


def test_vectors_of_another_length_name_the_first_row() -> None:
    with pytest.raises(ColumnError, match=r"'image': 2 rows do not fit, first row 2: \[3\.0\]"):
        read_vectors(pl.Series([[1.0, 2.0], None, [3.0], [1.0, 2.0, 3.0]]), column="image", size=2)


@pytest.mark.parametrize("bad", [None, float("nan"), float("inf"), 1e300])
def test_vectors_must_be_finite_in_single_precision(bad: float | None) -> None:
    with pytest.raises(ColumnError, match=r"1 rows do not fit, first row 2.*2 finite numbers"):
        read_vectors(pl.Series([[1.0, 2.0], None, [3.0, bad]]), column="image", size=2)


def test_vectors_of_texts_are_refused() -> None:
    with pytest.raises(ColumnError, match=r"lists of String.*Sequence or MultiHot"):
        read_vectors(pl.Series([["a"]]), column="image", size=1)
