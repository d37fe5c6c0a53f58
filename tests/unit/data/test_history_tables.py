"""The tables that later rows ask: against the reference, and after a trip to disk."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tests.unit.data.history_making import (
    BINARY,
    NAMES,
    SCHEMA,
    columns_of,
    events,
    fit,
    in_chunks,
    log,
)
from tests.unit.data.history_reference import earlier, out_of_fold

from plait.data.history import History, fit_history, read_history, write_history
from plait.data.schema import Categorical, MultiHot, Numeric, Schema, Sequence
from plait.errors import ArtifactError, ColumnError, DataError, SchemaError, UnknownNameError
from plait.tasks import Binary, Count, Regression, Value

LATER = log(40, seed=7, users=9, items=8).with_columns(pl.col("time") + 1000)
UNORDERED = History(ordered=False)


def test_later_rows_see_all_training_rows_out_of_fold(tmp_path: Path) -> None:
    tables = fit(log(60), tmp_path, UNORDERED).tables
    found = tables.transform(LATER).select(tables.names)
    seen = events(log(60))
    expected = [
        out_of_fold(row, seen, tasks=NAMES, binary=BINARY, times=1.0) for row in events(LATER)
    ]
    assert_frame_equal(found, columns_of(expected, tables.names), rel_tol=1e-5, abs_tol=1e-6)


def test_later_rows_see_all_training_rows_in_the_order_of_time(tmp_path: Path) -> None:
    tables = fit(log(60), tmp_path).tables
    found = tables.transform(LATER).select(tables.names)
    seen = events(log(60))
    expected = [earlier(row, seen, tasks=NAMES, binary=BINARY) for row in events(LATER)]
    assert_frame_equal(found, columns_of(expected, tables.names), rel_tol=1e-5, abs_tol=1e-6)


def test_somebody_unknown_gets_what_is_expected_of_anybody(tmp_path: Path) -> None:
    frame = log(60)
    strangers = pl.DataFrame(
        {"user": ["nobody", None], "item": [None, "new"], "tags": ["a", "z"], "time": [99, 99]}
    )
    for row in fit(frame, tmp_path).tables.transform(strangers).iter_rows(named=True):
        assert row["history.user.click.rate"] == pytest.approx(frame["click"].mean())
        assert row["history.item.stars.rate"] == pytest.approx(frame["stars"].mean())
        assert row["history.user.stars.spread"] == pytest.approx(frame["stars"].std(ddof=0))
        assert row["history.user.count"] == 0
        assert row["history.user.recency"] is None
        assert row["history.user_tags.click.residual"] == 0


def test_ids_may_change_their_type_on_the_way_to_serving(tmp_path: Path) -> None:
    tables = fit(log(60), tmp_path).tables
    texts = LATER.with_columns(pl.col("user").cast(pl.String), pl.col("time").cast(pl.Float64))
    assert_frame_equal(tables.history_of(texts), tables.history_of(LATER), check_exact=True)


def test_labels_are_not_needed(tmp_path: Path) -> None:
    tables = fit(log(60), tmp_path).tables
    bare = LATER.select("user", "item", "tags", "time")
    assert set(tables.columns) == set(bare.columns)
    assert_frame_equal(tables.history_of(bare), tables.history_of(LATER), check_exact=True)


@pytest.mark.parametrize("history", [History(sequence_length=4), UNORDERED, History(by=("user",))])
def test_saved_and_loaded_tables_give_the_same_bits(history: History, tmp_path: Path) -> None:
    tables = fit(log(60), tmp_path, history).tables
    write_history(tmp_path / "saved", tables)
    shutil.move(tmp_path / "saved", tmp_path / "moved")
    again = read_history(tmp_path / "moved")
    assert_frame_equal(again.transform(LATER), tables.transform(LATER), check_exact=True)
    assert again.extended(SCHEMA) == tables.extended(SCHEMA)
    assert again.formulas == tables.formulas


def test_a_history_without_features_or_tasks_survives_the_disk(tmp_path: Path) -> None:
    tables = fit(log(1), tmp_path, UNORDERED).tables
    write_history(tmp_path / "saved", tables)
    assert read_history(tmp_path / "saved").transform(LATER).columns == LATER.columns


def test_broken_files_are_named(tmp_path: Path) -> None:
    write_history(tmp_path / "saved", fit(log(60), tmp_path).tables)
    with pytest.raises(ArtifactError, match="there is no such file"):
        read_history(tmp_path)
    path = tmp_path / "saved" / "history.json"
    form = json.loads(path.read_text())
    path.write_text(json.dumps({**form, "version": 99}))
    with pytest.raises(ArtifactError, match="version 99, and this plait reads version 1"):
        read_history(tmp_path / "saved")
    path.write_text("{")
    with pytest.raises(ArtifactError, match="it is no JSON"):
        read_history(tmp_path / "saved")
    del form["prior"]
    path.write_text(json.dumps(form))
    with pytest.raises(ArtifactError, match="it lacks what it should hold"):
        read_history(tmp_path / "saved")


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    tables = fit(log(60), tmp_path).tables
    with pytest.raises(UnknownNameError, match="no column 'item' in the data, and the history"):
        tables.transform(LATER.drop("item"))


def test_the_features_are_numbers_and_sequences_that_share_the_items_table(tmp_path: Path) -> None:
    tables = fit(log(60), tmp_path, History(sequence_length=4)).tables
    schema = tables.extended(SCHEMA)
    assert schema.feature("history.user.click.rate") == Numeric(
        "history.user.click.rate", num_bins=0
    )
    expected = Sequence("history.user.items", shares="item", max_length=4)
    assert schema.feature("history.user.items") == expected
    assert schema.roles == SCHEMA.roles


def test_a_taken_name_is_refused(tmp_path: Path) -> None:
    tables = fit(log(60), tmp_path).tables
    taken = Schema((*SCHEMA.features, Numeric("history.user.count")), user="user", item="item")
    with pytest.raises(SchemaError, match=r"columns called like features .* history\.user\.count"):
        tables.extended(taken)


def test_a_time_that_is_no_time_is_refused(tmp_path: Path) -> None:
    frame = log(20).with_columns(pl.col("time").cast(pl.String))
    with pytest.raises(
        ColumnError, match=r"'time': .* rows of type String.*`history.ordered = false"
    ):
        fit(frame, tmp_path)
    assert fit(frame, tmp_path, UNORDERED).tables.time is None


def test_an_order_that_was_asked_for_and_is_not_there_is_refused(tmp_path: Path) -> None:
    frame = log(20).with_columns(time=pl.int_range(20))
    with pytest.raises(DataError, match="0 have none, and 4 do not"):
        fit(frame, tmp_path, History(ordered=True), first_other_time=16.0)
    holes = log(20).with_columns(time=pl.when(pl.col("time") > 2).then("time"))
    with pytest.raises(DataError, match=r"`history.ordered` needs training rows that have a time"):
        fit(holes, tmp_path, History(ordered=True))
    assert not fit(holes, tmp_path).is_ordered


def test_dates_count_in_seconds(tmp_path: Path) -> None:
    days = log(60).with_columns(time=pl.date(2024, 1, 1) + pl.duration(days=pl.col("time")))
    seconds = log(60).with_columns(pl.col("time") * 86_400)
    for column in ("history.user.recency", "history.item.recency"):
        one = fit(days, tmp_path).training_rows(0, 60)[column]
        assert one.equals(fit(seconds, tmp_path).training_rows(0, 60)[column])


def test_amounts_enter_as_logarithms_and_trials_as_weights(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "user": [1, 1, 1, 2],
            "spend": [0.0, 100.0, 7.0, None],
            "watched": [3.0, 3.0, 3.0, 3.0],
            "visits": [2, 0, 2, 2],
            "clicks": [1, 1, 0, 9],
            "shown": [2, 8, 0, 10],
        }
    )
    tasks = (
        Value("spend"),
        Regression("watched", transform="log1p"),
        Count("visits"),
        Binary("clicks", trials="shown"),
    )
    tables = fit_history(
        UNORDERED,
        in_chunks(frame, 3),
        schema=Schema((Categorical("user"),), user="user"),
        tasks=tasks,
        scratch=tmp_path,
    ).tables
    mean = tables.prior.mean
    assert mean[0] == pytest.approx(np.log1p([0.0, 100.0, 7.0]).mean())
    assert mean[1] == pytest.approx(np.log1p(3.0))
    assert mean[2] == pytest.approx(np.log1p([2, 0, 2, 2]).mean())
    assert mean[3] == pytest.approx(11 / 20)


def test_a_crossed_category_and_a_history_of_items_alone(tmp_path: Path) -> None:
    schema = Schema((Categorical("user"), Categorical("tags")), user="user")
    names = fit(log(60), tmp_path, History(cross=("tags",)), schema=schema).tables.names
    assert "history.user_tags.click.residual" in names
    alone = Schema((Categorical("item"), MultiHot("tags", delimiter=";")), item="item")
    names = fit(log(60), tmp_path, schema=alone).tables.names
    assert {name.split(".")[1] for name in names} == {"item"}
    assert not [name for name in names if name.endswith("residual")]


def test_pairs_that_never_come_again_are_left_out(tmp_path: Path) -> None:
    frame = log(60, users=20, items=30).unique(["user", "item"], maintain_order=True)
    tables = fit(frame, tmp_path).tables
    assert "pair" not in tables.sums
    assert not [name for name in tables.names if name.startswith("history.pair.")]
    assert "history.both.click.expected" in tables.names
