"""Out-of-fold histories equal the reference, and no row's fold has a say in its features."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from polars.testing import assert_frame_equal
from tests.unit.data.history_making import BINARY, NAMES, columns_of, events, fit, log, logs
from tests.unit.data.history_reference import out_of_fold

from plait.data.history import History, folds, groups
from plait.data.history import events as event_rows
from plait.data.row_hash import uniform

UNORDERED = History(ordered=False, folds=3)


def folds_of(rows: int, count: int = 3) -> NDArray[np.int64]:
    drawn = uniform(np.arange(rows, dtype=np.uint64), seed=7340033)
    return (drawn * count).astype(np.int64)


def history_of_rows(frame: pl.DataFrame, history: History = UNORDERED) -> pl.DataFrame:
    with tempfile.TemporaryDirectory() as folder:
        return fit(frame, Path(folder), history).training_rows(0, len(frame))


@settings(max_examples=15)
@given(logs())
def test_every_number_is_what_a_loop_over_the_other_folds_gives(frame: pl.DataFrame) -> None:
    found = history_of_rows(frame)
    rows, own_folds = events(frame), folds_of(len(frame))
    expected = [
        out_of_fold(
            row,
            [other for other, its in zip(rows, own_folds, strict=True) if its != fold],
            tasks=NAMES,
            binary=BINARY,
            times=3 / 2,
        )
        for row, fold in zip(rows, own_folds, strict=True)
    ]
    assert_frame_equal(
        found, columns_of(expected, tuple(found.columns)), rel_tol=1e-5, abs_tol=1e-6
    )


@pytest.mark.parametrize("size", [1, 7, 40])
def test_the_size_of_a_chunk_changes_nothing(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Rows, folds and pairs are worked on in chunks; a log of a test fits into one."""
    frame = log(40)
    whole = history_of_rows(frame)
    for module in (event_rows, folds, groups):
        monkeypatch.setattr(module, "CHUNK_ROWS", size)
    assert_frame_equal(history_of_rows(frame), whole, rel_tol=1e-6, abs_tol=1e-7)


@settings(max_examples=25)
@given(logs(), st.integers(0, 2), st.randoms(use_true_random=False))
def test_no_label_of_a_rows_own_fold_changes_its_features(
    frame: pl.DataFrame, fold: int, random: object
) -> None:
    own = pl.Series(folds_of(len(frame)) == fold)
    before = history_of_rows(frame)
    other = log(len(frame), seed=99)
    changed = frame.with_columns(
        pl.when(own).then(other[name]).otherwise(pl.col(name)).alias(name)
        for name in ("click", "like", "stars")
    )
    after = history_of_rows(changed)
    both = [name for name in before.columns if name in after.columns]
    assert_frame_equal(
        before.filter(own).select(both), after.filter(own).select(both), check_exact=True
    )


def test_folds_depend_on_the_number_of_a_row_alone(tmp_path: Path) -> None:
    short = fit(log(30), tmp_path, UNORDERED, chunk_rows=30)
    again = fit(log(30), tmp_path, UNORDERED, chunk_rows=4)
    assert_frame_equal(short.training_rows(0, 30), again.training_rows(0, 30), rel_tol=1e-6)


def test_where_users_are_apart_nothing_of_users_is_made(tmp_path: Path) -> None:
    tables = fit(log(200, users=20), tmp_path, UNORDERED, new_users=True).tables
    assert {name.split(".")[1] for name in tables.names} == {"item"}
    assert "history.item.click.residual" in tables.names


def test_counts_of_training_and_of_later_rows_are_alike(tmp_path: Path) -> None:
    frame = log(4000, users=10).drop_nulls("user")
    fitted = fit(frame, tmp_path, History(ordered=False, by=("user",)), chunk_rows=1000)
    trained = fitted.training_rows(0, len(frame))["history.user.count"].mean()
    later = fitted.tables.transform(frame)["history.user.count"].mean()
    assert trained == pytest.approx(later, abs=0.01)


def test_without_rows_of_other_folds_a_row_gets_nothing_but_nulls(tmp_path: Path) -> None:
    tables = fit(log(1), tmp_path, UNORDERED).tables
    assert tables.names == ()
    assert tables.transform(log(3)).columns == log(3).columns
