"""One form for every raw value, and the codes of roles."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plait.data.canonical import as_integers, as_text, canonical, hashes, role_codes
from plait.errors import ColumnError


def texts(values: pl.Series) -> list[str | None]:
    return as_text(canonical(values, column="x")).to_list()


@pytest.mark.parametrize(
    "values",
    [
        pl.Series([42, None], dtype=pl.Int8),
        pl.Series([42, None], dtype=pl.UInt64),
        pl.Series([42, None], dtype=pl.Int128),
        pl.Series([42.0, None], dtype=pl.Float32),
        pl.Series([42.0, float("nan")]),
        pl.Series(["42", None]),
        pl.Series(["42", None], dtype=pl.Categorical),
        pl.Series(["42", None], dtype=pl.Enum(["42"])),
        pl.Series([Decimal("42.00"), None]),
    ],
)
def test_case_106_one_value_has_one_text_whatever_its_type(values: pl.Series) -> None:
    assert texts(values) == ["42", None]


def test_integers_keep_their_identity_beyond_doubles_and_beyond_64_bits() -> None:
    assert texts(pl.Series([2**53, 2**53 + 1])) == ["9007199254740992", "9007199254740993"]
    assert texts(pl.Series([1, 2**64 - 1], dtype=pl.UInt64)) == ["1", "18446744073709551615"]
    assert texts(pl.Series([2**100], dtype=pl.Int128)) == [str(2**100)]


def test_floats_that_are_no_integers_take_their_shortest_text() -> None:
    assert texts(pl.Series([0.1, 1.0, -0.0, 1e20])) == ["0.1", "1", "0", str(10**20)]
    assert texts(pl.Series([0.1, 2.5], dtype=pl.Float32)) == ["0.1", "2.5"]


def test_texts_are_left_as_they_are() -> None:
    assert texts(pl.Series(["007", " a", "1.0", ""])) == ["007", " a", "1.0", ""]


def test_booleans_dates_and_times_are_words() -> None:
    assert texts(pl.Series([True, False])) == ["true", "false"]
    assert texts(pl.Series([date(2024, 2, 3)])) == ["2024-02-03"]


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_a_moment_has_one_text_in_every_unit_and_zone(unit: str) -> None:
    moment = datetime(2024, 2, 3, 4, 5, 6)
    plain = pl.Series([moment]).cast(pl.Datetime("us"))
    zoned = pl.Series([moment.replace(tzinfo=ZoneInfo("Asia/Tokyo"))]).dt.convert_time_zone("UTC")
    tokyo = zoned.dt.convert_time_zone("Asia/Tokyo").dt.cast_time_unit(unit)  # type: ignore[arg-type]
    assert texts(plain.dt.cast_time_unit(unit)) == texts(plain)  # type: ignore[arg-type]
    assert texts(tokyo) == texts(zoned)


def test_a_duration_is_its_microseconds() -> None:
    assert texts(pl.Series([datetime(2024, 1, 2)]) - datetime(2024, 1, 1)) == ["86400000000"]


def test_lists_are_refused_with_the_kinds_that_take_them() -> None:
    with pytest.raises(ColumnError, match=r"'tags': 1 rows of type List.*Sequence or MultiHot"):
        canonical(pl.Series([["a"]]), column="tags")


def test_only_the_text_of_an_integer_is_an_integer() -> None:
    forms = pl.Series(["42", "042", "4.2", "-7", "+7", str(2**63), None])
    assert as_integers(forms).to_list() == [42, None, None, -7, None, None, None]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20))
def test_integers_survive_the_way_through_text(numbers: list[int]) -> None:
    series = pl.Series(numbers, dtype=pl.Int64)
    assert as_integers(as_text(series)).to_list() == numbers


def test_role_codes_are_the_integers_themselves_also_from_text() -> None:
    codes, nulls = role_codes(pl.Series(["7", "-3"]), column="user_id")
    assert codes.tolist() == [7, -3]
    assert nulls == 0
    assert codes.dtype == np.int64


def test_role_codes_are_equal_where_values_are_in_whatever_chunk() -> None:
    values = pl.Series([1, 2**64 - 1, 5, 2**64 - 1], dtype=pl.UInt64)
    whole, _ = role_codes(values, column="user_id")
    small, _ = role_codes(values[:1], column="user_id")
    assert whole[1] == whole[3]
    assert whole[0] == small[0] == 1


def test_role_codes_give_every_null_its_own_code_and_count_them() -> None:
    first, nulls = role_codes(pl.Series(["a", None, None]), column="user_id", first_row=0)
    second, _ = role_codes(pl.Series([None, "a"]), column="user_id", first_row=3)
    assert nulls == 2
    assert len({*first.tolist(), *second.tolist()}) == 4
    assert first[0] == second[1]


def test_role_codes_of_times_keep_their_order() -> None:
    times = pl.Series([datetime(2024, 1, 2), datetime(2024, 1, 1)])
    codes, _ = role_codes(times, column="time")
    assert codes[0] - codes[1] == 86_400_000_000


def test_hashes_are_those_of_xxhash_itself() -> None:
    known_empty = 0xEF46DB3751D8E999  # xxh64 of no bytes, seed 0, from the xxHash specification
    assert hashes(pl.Series(["", "a", ""])).tolist()[::2] == [known_empty, known_empty]
