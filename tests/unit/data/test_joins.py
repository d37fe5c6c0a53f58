from __future__ import annotations

from bisect import bisect_left
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plait.data.joins import JoinFacts, Table, join, join_facts
from plait.errors import DataError, UnknownNameError

LOG = pl.LazyFrame(
    {"user": [2, None, 1, 9, 2], "item": ["b", "a", None, "a", "a"], "t": [5, 5, 9, 1, 3]}
)
USERS = pl.DataFrame({"user": [1, 2, None], "age": [10, 20, 99], "city": ["x", "y", "z"]})
HISTORY = pl.DataFrame(
    {"user": [2, 2, 1, 2, None], "since": [5, 4, 1, 1, 1], "level": [7, 6, 5, 4, 3]}
)


def problem(*tables: Table, log: pl.LazyFrame = LOG, time: str | None = "t") -> str:
    with pytest.raises((DataError, UnknownNameError)) as caught:
        join(log, tables, time=time)
    return str(caught.value)


def test_a_table_is_joined_by_its_key() -> None:
    frame = join(LOG, [Table("users", USERS, "user")]).collect()
    assert frame.columns == ["user", "item", "t", "age", "city"]
    assert frame["age"].to_list() == [20, None, 10, None, 20]
    assert frame.select("user", "item", "t").equals(LOG.collect())


def test_columns_are_chosen_and_prefixed() -> None:
    table = Table("users", USERS, "user", columns=("city",), prefix="user_")
    assert join(LOG, [table]).collect().columns == ["user", "item", "t", "user_city"]


def test_keys_may_have_other_names_and_several_columns(tmp_path: Path) -> None:
    prices = pl.DataFrame({"who": [2, 2], "what": ["a", "b"], "price": [1.5, 2.5]})
    prices.write_parquet(tmp_path / "prices.parquet")
    renamed = Table("prices", tmp_path / "prices.parquet", {"user": "who", "item": "what"})
    assert join(LOG, [renamed]).collect()["price"].to_list() == [2.5, None, None, None, 1.5]
    same = Table("prices", prices.rename({"who": "user", "what": "item"}), ("user", "item"))
    assert join(LOG, [same]).collect()["price"].to_list() == [2.5, None, None, None, 1.5]


def test_a_later_table_may_use_a_column_of_an_earlier_one() -> None:
    cities = pl.DataFrame({"city": ["x", "y"], "country": ["NO", "SE"]})
    frame = join(LOG, [Table("users", USERS, "user"), Table("cities", cities, "city")]).collect()
    assert frame["country"].to_list() == ["SE", None, "NO", None, "SE"]


def test_a_point_in_time_join_takes_the_latest_strictly_earlier_row() -> None:
    table = Table("history", HISTORY, "user", time="since")
    frame = join(LOG, [table], time="t").collect()
    assert frame.columns == ["user", "item", "t", "level"]
    assert frame["level"].to_list() == [6, None, 5, None, 4]


@pytest.mark.parametrize(
    ("log_times", "table_times"),
    [
        ([date(2024, 1, 2)], [datetime(2024, 1, 1, 23), datetime(2024, 1, 2)]),
        ([datetime(2024, 1, 2)], [date(2024, 1, 1), date(2024, 1, 2)]),
        ([2.5], [2, 3]),
    ],
)
def test_times_of_like_kinds_are_compared(
    log_times: list[object], table_times: list[object]
) -> None:
    log = pl.LazyFrame({"user": [1], "t": log_times})
    side = pl.DataFrame({"user": [1, 1], "at": table_times, "x": ["before", "not before"]})
    assert join(log, [Table("s", side, "user", time="at")], time="t").collect()["x"][0] == "before"


def test_rows_without_a_time_match_nothing() -> None:
    log = pl.LazyFrame({"user": [1, 1], "t": [None, 5]})
    side = pl.DataFrame({"user": [1, 1], "at": [None, 3], "x": [1, 2]})
    joined = join(log, [Table("s", side, "user", time="at")], time="t").collect()
    assert joined["x"].to_list() == [None, 2]


@pytest.mark.parametrize("dtype", [pl.Int8, pl.Int32, pl.UInt32, pl.UInt64])
def test_integer_keys_of_other_widths_match_by_value(dtype: type[pl.DataType]) -> None:
    users = USERS.with_columns(pl.col("user").cast(dtype))
    assert join(LOG, [Table("users", users, "user")]).collect()["age"].to_list() == [
        *[20, None, 10, None, 20]
    ]
    history = HISTORY.with_columns(pl.col("user").cast(dtype))
    joined = join(LOG, [Table("h", history, "user", time="since")], time="t").collect()
    assert joined["level"].to_list() == [6, None, 5, None, 4]


def test_big_keys_match_exactly() -> None:
    log = pl.LazyFrame({"k": pl.Series([2**53, 2**53 + 1, 5], dtype=pl.Int64)})
    side = pl.DataFrame({"k": pl.Series([2**53 + 1, 2**64 - 1], dtype=pl.UInt64), "x": [1, 2]})
    assert join(log, [Table("s", side, "k")]).collect()["x"].to_list() == [None, 1, None]


def test_categories_match_texts() -> None:
    side = pl.DataFrame({"item": pl.Series(["a", "b"], dtype=pl.Categorical), "x": [1, 2]})
    assert join(LOG, [Table("s", side, "item")]).collect()["x"].to_list() == [2, 1, None, 1, 1]


def test_facts_count_the_rows_without_a_match() -> None:
    tables = [Table("users", USERS, "user"), Table("history", HISTORY, "user", time="since")]
    facts = join_facts(LOG, tables, time="t")
    assert facts == [JoinFacts("users", 5, 2), JoinFacts("history", 5, 2)]
    assert facts[0].share_unmatched == pytest.approx(0.4)
    assert JoinFacts("users", 0, 0).share_unmatched == 0


def test_a_repeated_key_says_table_key_count_and_example() -> None:
    users = pl.DataFrame({"user": [1, 2, 1, 1, None, None, 2], "age": range(7)})
    message = problem(Table("users", users, "user"))
    assert "'users': 2 keys stand on several rows, such as user = 1 (3 rows)" in message
    assert "name the table's `time`" in message
    twice = pl.DataFrame({"user": [1, 1], "since": [3, 3], "x": [1, 2]})
    message = problem(Table("h", twice, "user", time="since"))
    assert "1 keys stand on several rows, such as user = 1, since = 3 (2 rows)" in message


@pytest.mark.parametrize("values", [["1", "2"], [1.0, 2.0], [True, False]])
def test_case_106_a_key_that_arrives_as_another_type_is_an_error_with_both_types(
    values: list[Any],
) -> None:
    side = pl.DataFrame({"id": values, "x": [1, 2]})
    message = problem(Table("s", side, {"user": "id"}))
    assert f"the key is {side['id'].dtype} in the table ('id') and Int64 in the log" in message
    assert "Write both with one type" in message


def test_times_of_other_types_are_an_error_with_both_types() -> None:
    side = pl.DataFrame({"user": [1], "at": [date(2024, 1, 1)], "x": [1]})
    message = problem(Table("s", side, "user", time="at"))
    assert "the time is Date in the table ('at') and Int64 in the log ('t')" in message
    zoned = pl.LazyFrame({"user": [1], "t": [datetime(2024, 1, 1)]}).with_columns(
        pl.col("t").dt.replace_time_zone("UTC")
    )
    naive = side.cast({"at": pl.Datetime("us")})
    assert "Write both as dates" in problem(Table("s", naive, "user", time="at"), log=zoned)


def test_a_point_in_time_join_needs_a_time_in_the_log() -> None:
    table = Table("history", HISTORY, "user", time="since")
    assert "but the log has none" in problem(table, time=None)
    assert "no column 'tt' in the log (its time)" in problem(table, time="tt")


def test_missing_columns_are_named_with_the_nearest() -> None:
    assert "'usr' in the log (key of side table 'u')" in problem(Table("u", USERS, {"usr": "user"}))
    assert "Did you mean 'user'?" in problem(Table("u", USERS, {"user": "usr"}))
    assert "no column 'agee' in side table 'u'" in problem(
        Table("u", USERS, "user", columns=("agee",))
    )
    assert "no column 'sinc'" in problem(Table("u", HISTORY, "user", time="sinc"))


def test_a_column_of_both_is_an_error_with_a_way_out() -> None:
    message = problem(Table("users", USERS.rename({"age": "t"}), "user"))
    assert "'users' and the log both have 't'" in message
    assert "prefix='users_'" in message


def test_tables_need_different_names() -> None:
    table = Table("users", USERS, "user")
    assert "share a name: users" in problem(table, table)


def test_a_table_record_that_says_nothing_is_an_error() -> None:
    with pytest.raises(DataError, match="a name has letters"):
        Table("../users", USERS, "user")
    nothing: tuple[str | tuple[str, ...] | dict[str, str], ...] = ("", (), {})
    for empty in nothing:
        with pytest.raises(DataError, match="`on` is empty"):
            Table("users", USERS, empty)
    with pytest.raises(DataError, match="`columns` is empty"):
        Table("users", USERS, "user", columns=())


KEYS, TIMES = st.none() | st.integers(0, 4), st.none() | st.integers(0, 9)
ROWS = st.lists(st.tuples(KEYS, TIMES), min_size=1, max_size=30)


@settings(max_examples=60, deadline=None)
@given(ROWS, ROWS)
def test_joins_keep_rows_and_order_and_agree_with_a_loop(
    log_rows: list[tuple[int | None, int | None]], table_rows: list[tuple[int | None, int | None]]
) -> None:
    types = {"k": pl.Int64, "t": pl.Int64}
    log = pl.DataFrame(log_rows, schema=types, orient="row").with_row_index("row")
    side = pl.DataFrame(list(dict.fromkeys(table_rows)), schema=types, orient="row")
    side = side.with_columns(x=pl.int_range(pl.len()))
    timed = join(log.lazy(), [Table("s", side, "k", time="t")], time="t").collect()
    assert timed.drop("x").equals(log)
    for (key, time), found in zip(log_rows, timed["x"], strict=True):
        rows = sorted((t, x) for k, t, x in side.iter_rows() if k == key and t is not None)
        at = 0 if time is None or key is None else bisect_left(rows, (time, -1))
        assert found == (rows[at - 1][1] if at else None)
    single = side.unique("k", keep="first", maintain_order=True).drop("t")
    plain = join(log.lazy(), [Table("s", single, "k")]).collect(engine="streaming")
    assert plain.drop("x").equals(log)
    values = {key: x for key, x in single.iter_rows() if key is not None}
    assert plain["x"].to_list() == [values.get(key) for key in log["k"]]
