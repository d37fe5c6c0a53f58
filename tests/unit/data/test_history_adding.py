"""A log prepared with a history: what each part sees, and when rows count as ordered."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tests.unit.data.history_making import SCHEMA, TASKS, log

from plait.data import staging
from plait.data.history import History, add_history
from plait.data.log import Log
from plait.data.preparing import PreparedLog, prepare
from plait.data.splits import ColumnSplit, RandomSplit, Split, TimeSplit, UserSplit
from plait.errors import SchemaError

FOLDS = ColumnSplit("part", train=(0,), valid=(1,), test=(2,))
LABELS = ("click", "like", "stars")


def prepared(
    frame: pl.DataFrame, split: Split, folder: Path, history: History | None = None
) -> PreparedLog:
    whole = Log((frame,), SCHEMA, TASKS, history=history or History())
    return prepare(whole, split, cache=folder)


def told(frame: pl.DataFrame, split: Split, folder: Path) -> str:
    return next(note for note in prepared(frame, split, folder).notes if note.startswith("History"))


def with_parts(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(part=pl.int_range(pl.len()) % 5).with_columns(
        pl.when(pl.col("part") < 3).then(0).otherwise(pl.col("part") - 2).alias("part")
    )


def rows_with_history(frame: pl.DataFrame, folder: Path) -> pl.DataFrame:
    frame.write_ipc(folder / "raw.arrow")
    parts = frame["part"].cast(pl.UInt8).to_numpy()
    raw = pl.scan_ipc(folder / "raw.arrow")
    _, rows, _ = add_history(
        History(sequence_length=3), raw, parts, schema=SCHEMA, tasks=TASKS, folder=folder
    )
    return rows.collect()


@pytest.mark.parametrize("way", ["by time", "in folds"])
def test_labels_of_validation_and_test_rows_enter_no_feature(way: str, tmp_path: Path) -> None:
    frame = with_parts(log(80))
    if way == "by time":
        frame = frame.sort("part").with_columns(time=pl.int_range(80))
    other = log(80, seed=5)
    changed = frame.with_columns(
        pl.when(pl.col("part") > 0).then(other[name]).otherwise(pl.col(name)).alias(name)
        for name in LABELS
    )
    before, after = (rows_with_history(rows, tmp_path).drop(LABELS) for rows in (frame, changed))
    assert any(name.startswith("history.") for name in before.columns)
    assert_frame_equal(before, after, check_exact=True)


def test_every_row_keeps_its_place(tmp_path: Path) -> None:
    frame = with_parts(log(80))
    rows = rows_with_history(frame, tmp_path)
    assert_frame_equal(rows.select(frame.columns), frame)
    later = rows.filter(pl.col("part") > 0)
    again = rows_with_history(
        pl.concat([frame.filter(pl.col("part") == 0), frame.filter(pl.col("part") > 0)]), tmp_path
    )
    assert_frame_equal(later, again.filter(pl.col("part") > 0), rel_tol=1e-6)


def test_a_split_by_time_makes_an_ordered_history_and_others_do_not(tmp_path: Path) -> None:
    frame = with_parts(log(300, users=30))
    assert "strictly earlier" in told(frame, TimeSplit(), tmp_path)
    assert "7 folds" in told(frame, RandomSplit(), tmp_path)
    assert "7 folds" in told(frame, FOLDS, tmp_path)
    by_day = frame.sort("part").with_columns(time=pl.int_range(300))
    assert "strictly earlier" in told(by_day, FOLDS, tmp_path)


def test_a_split_by_user_says_that_there_is_no_history_of_users(tmp_path: Path) -> None:
    frame = log(300, users=40).drop_nulls("user")
    ready = prepared(frame, UserSplit(), tmp_path, History(sequence_length=3))
    assert any("there is no history of users, only of items" in note for note in ready.notes)
    assert ready.history is not None
    assert {name.split(".")[1] for name in ready.history.names} == {"item"}
    assert not ready.history.sequences


def test_the_prepared_log_is_made_anew_for_another_history(tmp_path: Path) -> None:
    frame = log(300)
    one = prepared(frame, TimeSplit(), tmp_path)
    other = prepared(frame, TimeSplit(), tmp_path, History(strength_user=9.0))
    assert one.key != other.key
    assert prepared(frame, TimeSplit(), tmp_path).key == one.key
    assert one.history is not None
    assert set(one.history.names) <= {n.name for n in one.preprocessor.layout.numbers}
    assert not list(tmp_path.rglob("*.f32"))
    assert not list(tmp_path.rglob("raw.arrow"))


def test_small_chunks_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Among them chunks that hold no training row, and such that hold nothing else."""
    frame = with_parts(log(80)).sort("part")
    whole = rows_with_history(frame, tmp_path)
    monkeypatch.setattr(staging, "CHUNK_ROWS", 3)
    assert_frame_equal(rows_with_history(frame, tmp_path), whole, rel_tol=1e-6)


def test_lists_of_items_need_no_number_beside_them(tmp_path: Path) -> None:
    frame = log(80)
    made = prepared(frame, RandomSplit(), tmp_path / "lists", History(by=(), sequence_length=3))
    both = prepared(frame, RandomSplit(), tmp_path / "both", History(sequence_length=3))
    lists = [column.name for column in made.train.layout.lists]
    assert lists == [column.name for column in both.train.layout.lists]
    assert not made.train.layout.numbers
    assert [len(part) for part in (made.train, made.test)] == [
        len(part) for part in (both.train, both.test)
    ]


def test_a_history_of_users_that_are_all_new_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"so what is remembered of users would say nothing"):
        prepared(log(80), UserSplit(valid=0.3, test=0.3), tmp_path, History(by=("user",)))


@pytest.mark.parametrize("way", ["by time", "in folds"])
def test_a_history_may_list_past_items_and_count_nothing(way: str, tmp_path: Path) -> None:
    frame = with_parts(log(80))
    if way == "by time":
        frame = frame.sort("part").with_columns(time=pl.int_range(80))
    history = History(features=(), sequence_length=3)
    found = prepared(frame, FOLDS, tmp_path, history)
    assert found.history is not None
    assert found.history.names == ()
    lists = found.history.transform(frame.head(5)).select("^history.*$")
    assert "history.user.items" in lists.columns
    assert lists.height == 5
    assert found.train.batch(slice(None)).lists["history.user.items"].values.numel()
