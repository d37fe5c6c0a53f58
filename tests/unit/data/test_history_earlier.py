"""Time-ordered histories equal the reference, and nothing later has a say in them."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from tests.unit.data.history_making import BINARY, NAMES, columns_of, events, fit, log, logs
from tests.unit.data.history_reference import earlier

from plait.data.history import History
from plait.data.history import earlier as module
from plait.data.history.earlier import restarted_sums

ORDERED = History(sequence_length=3)


def history_of_rows(frame: pl.DataFrame) -> pl.DataFrame:
    with tempfile.TemporaryDirectory() as folder:
        return fit(frame, Path(folder), ORDERED).training_rows(0, len(frame))


@settings(max_examples=15)
@given(logs())
def test_every_number_is_what_a_loop_over_earlier_rows_gives(frame: pl.DataFrame) -> None:
    found = history_of_rows(frame)
    found = found.select(name for name in found.columns if not name.endswith(".items"))
    rows = events(frame)
    expected = [earlier(row, rows, tasks=NAMES, binary=BINARY) for row in rows]
    assert_frame_equal(
        found, columns_of(expected, tuple(found.columns)), rel_tol=1e-5, abs_tol=1e-6
    )


@pytest.mark.parametrize("block_rows", [1, 5, 1000])
def test_blocks_do_not_change_the_numbers(
    block_rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = log(60)
    whole = history_of_rows(frame)
    monkeypatch.setattr(module, "BLOCK_ROWS", block_rows)
    assert_frame_equal(history_of_rows(frame), whole, rel_tol=1e-6, abs_tol=1e-7)


@settings(max_examples=25)
@given(logs(), st.integers(0, 19), st.integers(1, 1000))
def test_shuffling_or_changing_later_events_changes_no_feature(
    frame: pl.DataFrame, instant: int, seed: int
) -> None:
    """A row at an instant does not see its own instant, so that may change as well."""
    is_past = frame["time"] < instant
    shuffled = log(len(frame), seed=seed, users=9).with_columns(frame["time"])
    changed = frame.select(
        pl.when(is_past).then(frame[name]).otherwise(shuffled[name]).alias(name)
        for name in frame.columns
    )
    before, after = history_of_rows(frame), history_of_rows(changed)
    both = [name for name in before.columns if name in after.columns]
    known = pl.Series(frame["time"] < instant)
    assert_frame_equal(
        before.filter(known).select(both), after.filter(known).select(both), check_exact=True
    )


@settings(max_examples=15)
@given(logs())
def test_a_rows_own_label_and_those_of_its_instant_change_nothing_of_it(
    frame: pl.DataFrame,
) -> None:
    row = len(frame) // 2
    own = frame["time"] == frame["time"][row]
    changed = frame.with_columns(
        pl.when(own).then(1 - pl.col("click")).otherwise(pl.col("click")).alias("click"),
        pl.when(own).then(pl.lit(9.0)).otherwise(pl.col("stars")).alias("stars"),
    )
    before, after = history_of_rows(frame), history_of_rows(changed)
    both = [name for name in before.columns if name in after.columns]
    assert_frame_equal(
        before.filter(own).select(both), after.filter(own).select(both), check_exact=True
    )


def test_a_hand_worked_row(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "user": [1, 1, 1, 2],
            "item": ["a", "b", "a", "a"],
            "time": [0, 10, 20, 30],
            "tags": ["", "", "", ""],
            "click": [1, 0, 1, 0],
            "like": [1, 0, 1, 0],
            "stars": [2.0, 4.0, 3.0, 1.0],
        }
    )
    found = fit(frame, tmp_path).training_rows(0, 4)
    row = found.row(2, named=True)
    # Two earlier rows of the user, one click: (1 + 5 × 1/2) / (2 + 5).
    assert row["history.user.click.rate"] == pytest.approx(0.5)
    assert row["history.item.click.rate"] == pytest.approx((1 + 10 * 0.5) / 11)
    assert row["history.user.count"] == pytest.approx(np.log1p(2))
    assert row["history.user.recency"] == pytest.approx(np.log1p(10))
    assert row["history.item.recency"] == pytest.approx(np.log1p(20))
    # At time 10, item b was unknown and the mean of all stars was 2; at time 0 nothing was known.
    assert row["history.user.stars.residual"] == pytest.approx((0 + 2) / 7)
    # The mean square of the two is 10: (20 + 5 × 10) / 7, less the square of the mean 3.
    assert row["history.user.stars.spread"] == pytest.approx(1.0)
    assert found.row(0, named=True)["history.user.click.rate"] is None
    assert found.row(3, named=True)["history.user.recency"] is None


def test_long_and_short_groups_are_summed_the_same_way() -> None:
    rng = np.random.default_rng(0)
    lengths = [1, 64, 65, 3, 200, 2]
    starts = np.cumsum([0, *lengths[:-1]])
    values = rng.normal(size=(sum(lengths), 2))
    expected = [np.cumsum(part, axis=0) for part in np.split(values, starts[1:])]
    assert np.array_equal(restarted_sums(values.copy(), starts), np.concatenate(expected))
