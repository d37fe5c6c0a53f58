"""Which value has which row of a table."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plait.data import vocabulary as module
from plait.data.batch import NULL, NUM_RESERVED, UNKNOWN
from plait.data.canonical import canonical
from plait.data.vocabulary import HashBuckets, ValueCounts, Vocabulary

GOLDEN = Path(__file__).with_name("golden_hashes.json")


def test_the_most_frequent_come_first_and_ties_by_value() -> None:
    counts = ValueCounts()
    counts.add(pl.Series(["b", "a", "c", "c", None]))
    assert counts.ranked(min_count=1).to_list() == ["c", "a", "b"]
    assert counts.ranked(min_count=2).to_list() == ["c"]


def test_integers_and_texts_of_one_table_are_counted_together() -> None:
    counts = ValueCounts()
    counts.add(pl.Series([10, 9]))
    counts.add(pl.Series(["9", "x"]))
    assert counts.ranked(min_count=1).to_list() == ["9", "10", "x"]


def test_nothing_counted_is_an_empty_vocabulary() -> None:
    assert Vocabulary(ValueCounts().ranked(min_count=1)).num_rows == NUM_RESERVED


@settings(max_examples=30, deadline=None)
@given(
    chunks=st.lists(st.lists(st.integers(-5, 30), max_size=12), max_size=6), as_words=st.booleans()
)
def test_counts_do_not_depend_on_chunks(chunks: list[list[int]], *, as_words: bool) -> None:
    dtype = pl.String if as_words else pl.Int64
    series = [pl.Series(chunk, dtype=pl.Int64).cast(dtype) for chunk in chunks]
    parts = ValueCounts()
    for chunk in series:
        part = ValueCounts()
        part.add(chunk)
        parts.merge(part)
    expected = Counter(value for chunk in series for value in chunk.to_list())
    by_hand = sorted(expected, key=lambda value: (-expected[value], value))
    assert parts.ranked(min_count=1).to_list() == by_hand


def test_pending_counts_are_brought_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PENDING_ROWS", 3)
    counts = ValueCounts()
    for _ in range(20):
        counts.add(pl.Series([1, 2]))
    assert len(counts._counted["integers"]) < 5
    assert counts.ranked(min_count=20).to_list() == [1, 2]
    assert counts.ranked(min_count=21).is_empty()


def test_case_25_padding_unknown_and_null_have_ids_of_their_own() -> None:
    ids = Vocabulary(pl.Series(["a", "b"])).ids(pl.Series(["a", "b", "c", None]))
    assert ids.tolist() == [4, 5, UNKNOWN, NULL]
    assert ids.dtype == np.int32


@pytest.mark.parametrize(
    "values", [[5, 3, 9], [5, 3, 10**12, -(2**63), 2**63 - 1], ["a", "", "zz", "é"]]
)
@pytest.mark.parametrize("repeats", [0, 1, 500])
def test_every_way_of_looking_up_agrees(values: list[int] | list[str], repeats: int) -> None:
    vocabulary = Vocabulary(pl.Series(values))
    filler = 50 if isinstance(values[0], int) else "none"
    asked = pl.Series([*values, filler, None] * repeats, dtype=vocabulary.values.dtype)
    expected = [*range(4, 4 + len(values)), UNKNOWN, NULL] * repeats
    assert vocabulary.ids(asked).tolist() == expected


@settings(max_examples=30, deadline=None)
@given(st.sets(st.integers(-1000, 10**15), min_size=1, max_size=60), st.integers(-1000, 10**15))
def test_few_and_many_values_are_found_alike(known: set[int], other: int) -> None:
    vocabulary = Vocabulary(pl.Series(sorted(known)))
    asked = [*known, other]
    together = vocabulary.ids(pl.Series(asked)).tolist()
    alone = [vocabulary.ids(pl.Series([value])).tolist()[0] for value in asked]
    words = vocabulary.ids(pl.Series([str(value) for value in asked])).tolist()
    assert together == alone == words


def test_case_106_a_column_of_integers_may_come_as_text_or_float() -> None:
    vocabulary = Vocabulary(pl.Series([42, 7]))
    for raw in (pl.Series([42, 7]), pl.Series(["42", "7"]), pl.Series([42.0, 7.0])):
        assert vocabulary.ids(canonical(raw, column="id")).tolist() == [4, 5]
    assert vocabulary.ids(pl.Series(["042", "x"])).tolist() == [UNKNOWN, UNKNOWN]


def test_a_vocabulary_of_texts_takes_integers() -> None:
    assert Vocabulary(pl.Series(["a", "7"])).ids(pl.Series([7, 8])).tolist() == [5, UNKNOWN]


def test_an_empty_vocabulary_knows_nothing() -> None:
    empty = Vocabulary(pl.Series([], dtype=pl.Int64))
    assert empty.ids(pl.Series([1, None])).tolist() == [UNKNOWN, NULL]
    assert empty.ids(pl.Series([], dtype=pl.Int64)).tolist() == []


def test_new_values_go_behind_the_old_ones_also_where_the_type_changes() -> None:
    old = Vocabulary(pl.Series([42, 7]))
    new = old.extended(pl.Series([1])).extended(pl.Series(["x"]))
    assert new.ids(pl.Series(["42", "7", "1", "x"])).tolist() == [4, 5, 6, 7]


def test_case_23_hashed_rows_are_those_of_the_golden_file() -> None:
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    buckets = HashBuckets(golden["buckets"])
    assert buckets.ids(pl.Series(list(golden["rows"]))).tolist() == list(golden["rows"].values())
    assert buckets.num_rows == golden["buckets"] + NUM_RESERVED


def test_hashed_rows_do_not_depend_on_the_type() -> None:
    buckets = HashBuckets(1000)
    assert buckets.ids(pl.Series([42])).tolist() == buckets.ids(pl.Series(["42"])).tolist()
    assert buckets.ids(pl.Series([None, "a"]))[0] == NULL


def test_hashed_rows_stay_inside_the_table() -> None:
    ids = HashBuckets(3).ids(pl.Series(range(200)))
    assert set(ids.tolist()) == {4, 5, 6}
