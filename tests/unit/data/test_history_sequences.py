"""Sequences of past items: against a loop, and without what a row may not see."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from tests.unit.data.history_making import events, fit, log
from tests.unit.data.history_reference import Event
from tests.unit.data.test_history_folds import folds_of

from plait.data.history import History, sequences

LIKED = "history.user.like.items"


def listed(
    event: Event, seen: Sequence[Event], length: int, task: str | None = None
) -> list[object]:
    """The last items of the event's user among those seen, oldest first."""
    own = [e for e in seen if event.user is not None and e.user == event.user]
    kept = [e.item for e in own if task is None or e.labels[task] == 1]
    return [item for item in kept if item is not None][-length:]


@settings(max_examples=15)
@given(st.integers(0, 1000), st.integers(1, 5))
def test_a_row_lists_the_last_items_strictly_before_it(seed: int, length: int) -> None:
    frame = log(40, seed=seed)
    found = _fitted(frame, History(sequence_length=length))
    rows = events(frame)
    by_time = sorted(rows, key=lambda event: event.time)
    for task, column in ((None, "history.user.items"), ("like", LIKED)):
        for row, items in zip(rows, found[column].to_list(), strict=True):
            seen = [other for other in by_time if other.time < row.time]
            assert items == listed(row, seen, length, task)


@settings(max_examples=15)
@given(st.integers(0, 1000), st.integers(1, 5))
def test_without_order_a_row_lists_the_items_of_other_folds(seed: int, length: int) -> None:
    frame = log(40, seed=seed)
    found = _fitted(frame, History(sequence_length=length, ordered=False, folds=3))
    rows, folds = events(frame), folds_of(40)
    for task, column in ((None, "history.user.items"), ("like", LIKED)):
        for row, own, items in zip(rows, folds, found[column].to_list(), strict=True):
            seen = [other for other, its in zip(rows, folds, strict=True) if its != own]
            assert items == listed(row, seen, length, task)


@settings(max_examples=15)
@given(seed=st.integers(0, 1000), block=st.integers(1, 30), ordered=st.sampled_from((None, False)))
def test_blocks_of_users_change_nothing(seed: int, block: int, *, ordered: bool | None) -> None:
    frame, history = log(40, seed=seed), History(sequence_length=3, ordered=ordered)
    found = []
    for rows in (block, 1_000):
        with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
            patch.setattr(sequences, "CHUNK_ROWS", rows)
            fitted = fit(frame, Path(folder), history)
            later = fitted.tables.transform(frame)
            found.append(
                fitted.training_rows(0, 40).hstack(later.select(pl.all().name.suffix("2")))
            )
    assert_frame_equal(*found, check_exact=True)


def test_later_rows_list_the_last_items_of_all_training_rows(tmp_path: Path) -> None:
    frame, later = log(60), log(20, seed=3, users=9)
    found = fit(frame, tmp_path, History(sequence_length=3)).tables.transform(later)
    by_time = sorted(events(frame), key=lambda event: event.time)
    for row, items, liked in zip(
        events(later), found["history.user.items"], found[LIKED], strict=True
    ):
        assert items.to_list() == listed(row, by_time, 3)
        assert liked.to_list() == listed(row, by_time, 3, "like")


def test_a_sequence_that_is_always_empty_is_left_out(tmp_path: Path) -> None:
    frame = log(60).with_columns(like=pl.lit(0))
    sequences = fit(frame, tmp_path, History(sequence_length=3)).tables.sequences
    assert list(sequences) == ["history.user.items", "history.user.click.items"]


def test_numbers_as_items_stay_numbers(tmp_path: Path) -> None:
    frame = log(60).with_columns(pl.col("item").str.slice(1).cast(pl.Int64))
    tables = fit(frame, tmp_path, History(sequence_length=3)).tables
    assert tables.transform(frame)["history.user.items"].dtype == pl.List(pl.Int64)


def _fitted(frame: pl.DataFrame, history: History) -> pl.DataFrame:
    with tempfile.TemporaryDirectory() as folder:
        return fit(frame, Path(folder), history).training_rows(0, len(frame))
