"""The examination of a run, against its own test rows and against a file."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from tests.unit.studies.runs import feed

from plait.errors import ConfigurationError, DataError, UnknownNameError
from plait.studies.doctor import (
    Examination,
    examination_document,
    examination_json,
    examine,
)
from plait.studies.opened import OpenedRun
from plait.studies.page.blocks import Section, Table


@pytest.fixture(scope="module")
def found(run_folder: Path) -> Examination:
    return examine(run_folder, repeats=1)


def section(found: Examination, key: str) -> Section:
    """The section of this anchor."""
    return next(part for part in examination_document(found).sections if part.key == key)


def test_a_run_is_examined_on_the_rows_it_was_judged_on(found: Examination) -> None:
    assert (found.compared_with, found.rows) == ("test", (960, 400))
    assert found.important("click")[0] == "age"
    assert {gate.gate for gate in found.gates} == {"click", "buy", "stars", "mood"}
    assert {gap.output for gap in found.gaps} == {
        "click",
        "buy",
        "stars",
        "mood",
        "buy_given_click",
    }
    assert {gap.n[1] for gap in found.gaps if gap.output == "click"} == {240}  # validation rows


def test_a_file_is_compared_with_the_training_rows(run: OpenedRun, tmp_path: Path) -> None:
    later = feed(800, seed=5).with_columns(
        pl.col("age") + 2, pl.col("user") + 1000, click=pl.lit(0), buy=pl.lit(0)
    )
    later.write_parquet(tmp_path / "later.parquet")
    found = examine(run, tmp_path / "later.parquet", repeats=1)
    assert found.compared_with == str(tmp_path / "later.parquet")
    assert found.rows == (960, 800)
    drift = {drift.feature: drift.strength for drift in found.features}
    assert drift["age"] == "strong"
    assert [entry.feature for entry in found.unseen] == ["user"]
    assert found.unseen[0].after == 1.0
    assert {label.task: label.strength for label in found.labels}["click"] == "strong"


def test_rows_without_labels_are_compared_by_their_features(run: OpenedRun) -> None:
    later = feed(400, seed=5).drop("click", "buy", "stars", "mood")
    found = examine(run, later, repeats=1)
    assert found.compared_with == "the given rows"
    assert {label.strength for label in found.labels} == {"unknown"}
    assert found.important("click")[0] == "age"  # from the rows that the run was judged on


def test_a_missing_feature_is_named(run: OpenedRun) -> None:
    with pytest.raises(UnknownNameError, match="no column 'age'"):
        examine(run, feed(80).drop("age"))


def test_a_file_that_is_not_there_is_named(run: OpenedRun, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.parquet"):
        examine(run, tmp_path / "nowhere.parquet")


def test_no_row_is_refused(run: OpenedRun) -> None:
    with pytest.raises(DataError, match="has no rows"):
        examine(run, feed(80).head(0))


def test_a_shuffle_is_needed(run_folder: Path) -> None:
    with pytest.raises(ConfigurationError, match="`repeats` must be at least 1, got 0"):
        examine(run_folder, repeats=0)


def test_the_document_ends_with_three_things_to_try(found: Examination) -> None:
    document = examination_document(found)
    last = document.sections[-1]
    assert last.title == "The first three things to try"
    numbered = [block for block in last.blocks if isinstance(block, str) and block[1:2] == "."]
    assert [block[0] for block in numbered] == ["1", "2", "3"]


def test_what_moved_and_what_is_unknown_stand_in_tables(found: Examination) -> None:
    moved = replace(
        found, features=tuple(replace(drift, strength="some") for drift in found.features)
    )
    (features, steady, *_) = section(moved, "features").blocks
    assert isinstance(features, Table)
    assert len(features.rows) == len(found.features)
    assert str(steady).startswith("0 of ")
    gap = replace(found.gaps[0], train=math.nan, excess=math.nan)
    (table,) = section(replace(found, gaps=(gap,)), "fit").blocks
    assert isinstance(table, Table)
    assert table.rows[0][4] == "–"


def test_experts_without_use_are_told(found: Examination) -> None:
    ill = replace(found, dead_experts=("expert 1",), collapsed_gates=("click",))
    told = [getattr(block, "text", "") for block in section(ill, "tasks").blocks]
    assert "Experts that no gate uses: expert 1." in told
    assert "Gates that read one expert only: click." in told


def test_without_labels_no_importance_is_shown(found: Examination) -> None:
    (told,) = section(replace(found, importances=()), "importance").blocks
    assert told == "No row has a label: nothing can be said."


def test_the_findings_and_the_advice_are_json(found: Examination) -> None:
    form = json.loads(json.dumps(examination_json(found), allow_nan=False))
    assert form["rows"] == [960, 400]
    assert len(form["advice"]) == 3
    assert {"urgency", "finding", "remedy"} == set(form["advice"][0])


def test_the_same_seed_finds_the_same(run: OpenedRun, found: Examination) -> None:
    again = examination_json(examine(run, repeats=1))
    assert again == examination_json(found)
