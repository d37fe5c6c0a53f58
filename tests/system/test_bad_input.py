"""Bad input ends in a clear error that loses nothing: each message says what to do."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.ipc as ipc
import pytest
from tests.system.feeds import arguments, feed

import plait
from plait import Binary, Categorical, MultiHot, Numeric, Ranking, Schema, Table, Vector
from plait.errors import (
    ArgumentTypeError,
    ArtifactError,
    ConfigurationError,
    DataError,
    PlaitError,
    SchemaError,
    TaskError,
    UnknownNameError,
)

Change = Callable[[pl.DataFrame], pl.DataFrame]


def assert_refused(
    log: object, out: Path, *, error: type[Exception], words: str, **changes: object
) -> None:
    """Train on a log with changed arguments, and see what is said."""
    with pytest.raises(error, match=words):
        plait.train(**{**arguments(log, out), **changes})
    assert not (out / "metrics.json").exists()
    assert not list(out.rglob("*.writing"))


CHANGED_ROWS: dict[str, tuple[Change, type[Exception], str]] = {
    "a missing feature column": (
        lambda log: log.rename({"age": "agee"}),
        UnknownNameError,
        r"no column 'age' in the log \(feature 'age'\).*Did you mean 'agee'",
    ),
    "a missing label column": (
        lambda log: log.rename({"click": "clicks"}),
        UnknownNameError,
        r"no column 'click' in the label of task 'click'.*Did you mean 'clicks'",
    ),
    "text in a numeric column": (
        lambda log: log.with_columns(age=pl.lit("old")),
        DataError,
        r"Column 'age': .*old.*[Nn]umber",
    ),
    "a list in a categorical column": (
        lambda log: log.with_columns(item_id=pl.col("history")),
        DataError,
        r"Column 'item_id'.*[Ll]ist",
    ),
    "infinite numbers": (
        lambda log: log.with_columns(age=pl.when(pl.col("time") < 9).then(np.inf).otherwise(1.0)),
        DataError,
        r"Column 'age'.*infinite.*Make them null",
    ),
    "a feature that is all null": (
        lambda log: log.with_columns(age=pl.lit(None, dtype=pl.Float64)),
        SchemaError,
        r"age",
    ),
    "a label that is all null": (
        lambda log: log.with_columns(like=pl.lit(None, dtype=pl.Int8)),
        TaskError,
        r"Task 'like' has no observed label.*Check `label`",
    ),
    "a label outside its kind": (
        lambda log: log.with_columns(click=pl.col("click") * 7),
        TaskError,
        r"Task 'click' .*for example 7; expected 0 or 1.*condition",
    ),
    "one class only": (
        lambda log: log.with_columns(click=pl.lit(0, dtype=pl.Int8)),
        TaskError,
        r"Task 'click' .*have the same label, 0",
    ),
    "a label that is text": (
        lambda log: log.with_columns(click=pl.lit("yes")),
        DataError,
        r"label of task 'click' gives String.*yes.*comparison",
    ),
}


@pytest.mark.parametrize("case", CHANGED_ROWS)
def test_rows_that_do_not_fit_are_refused(case: str, tmp_path: Path) -> None:
    change, error, words = CHANGED_ROWS[case]
    assert_refused(change(feed(600)), tmp_path / "run", error=error, words=words)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.parquet"
    path.touch()
    assert_refused(path, tmp_path / "run", error=DataError, words=r"empty\.parquet.*empty")


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    feed(10).clear().write_parquet(tmp_path / "log.parquet")
    assert_refused(tmp_path / "log.parquet", tmp_path / "run", error=DataError, words="no rows")


def test_a_truncated_parquet_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    feed(500).write_parquet(path)
    path.write_bytes(path.read_bytes()[:-200])
    assert_refused(path, tmp_path / "run", error=DataError, words=r"log\.parquet")


def test_a_csv_with_a_broken_row_is_refused_by_line(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    feed(50).drop("history").write_csv(path)
    lines = path.read_text().splitlines()
    lines[20] += ",surplus"
    path.write_text("\n".join(lines))
    assert_refused(path, tmp_path / "run", error=DataError, words=r"line 21.*9.*8")


def test_duplicate_column_names_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("click,age,click\n1,2,3\n")
    assert_refused(path, tmp_path / "run", error=DataError, words=r"several columns named 'click'")


def test_duplicate_names_of_tasks_and_features_are_refused(tmp_path: Path) -> None:
    assert_refused(
        feed(300),
        tmp_path / "run",
        error=TaskError,
        words="Two tasks share a name: click",
        tasks=(Binary("click"), Binary("click", label="like")),
    )
    with pytest.raises(SchemaError, match="Two features share a name: age"):
        Schema((Numeric("age"), Categorical("age")))


def test_a_batch_without_rows_of_a_task_is_harmless(tmp_path: Path) -> None:
    log = feed(800).with_columns(
        like=pl.when(pl.col("time") % 100 < 4).then(pl.col("time") % 2).otherwise(None)
    )
    settings = arguments(log, tmp_path / "run")
    settings["tasks"] = (Binary("click"), Binary("like", min_positives=1))
    settings["training"] = replace(settings["training"], batch_size=8)
    run = plait.train(**settings)
    assert run.evaluation.tasks["click"]["auc"].is_known
    assert run.history.skipped == {}


def test_ids_that_training_never_saw_are_predicted_and_said(tmp_path: Path) -> None:
    run = plait.train(**arguments(feed(1500), tmp_path / "run"))
    strangers = feed(100, seed=1).with_columns(
        user_id=pl.col("user_id") + 10**6, item_id=pl.lit("never seen")
    )
    predictions = run.predictor.predict(strangers)
    assert predictions.null_count().sum_horizontal().item() == 0
    assert predictions["click"].is_between(0, 1).all()
    evaluation = run.predictor.evaluate(strangers)
    unseen = [s for s in evaluation.slices if (s.column, s.task) == ("user_id", "click")]
    assert {s.value: s.result.n for s in unseen} == {
        "seen in training": 0,
        "not seen in training": 100,
    }


def test_ids_beyond_the_floats_keep_their_identity(tmp_path: Path) -> None:
    odd = 2**53 + 1
    log = feed(1500).with_columns(
        user_id=pl.when(pl.col("click") == 1).then(odd).otherwise(odd - 1)
    )
    settings = arguments(log, tmp_path / "run", epochs=8)
    settings["schema"] = Schema((Categorical("user_id"),), user="user_id")
    settings["tasks"] = (Binary("click"),)
    run = plait.train(**settings)
    assert run.evaluation.tasks["click"]["auc"].value == 1.0


def test_empty_and_too_long_lists_work_and_are_counted(tmp_path: Path) -> None:
    log = feed(600).with_columns(
        history=pl.when(pl.col("time") % 2 == 0)
        .then(pl.lit([], dtype=pl.List(pl.String)))
        .otherwise(pl.lit([f"item {k}" for k in range(30)] * 4, dtype=pl.List(pl.String)))
    )
    run = plait.train(**arguments(log, tmp_path / "run"))
    assert any("lists of 'history' longer than `max_length`" in fact for fact in run.facts)
    assert run.predictor.predict(log)["click"].is_finite().all()


def test_a_join_key_that_multiplies_rows_is_refused(tmp_path: Path) -> None:
    side = pl.DataFrame({"item_id": ["item 1", "item 1"], "price": [1.0, 2.0]})
    assert_refused(
        feed(300),
        tmp_path / "run",
        error=DataError,
        words=r"items.*item_id.*item 1",
        tables=(Table("items", side, "item_id"),),
    )


def test_a_feature_known_after_the_exposure_is_refused(tmp_path: Path) -> None:
    schema = Schema((Numeric("age"), Numeric("seconds", known="after")))
    words = "seconds: known only after the exposure"
    assert_refused(feed(300), tmp_path / "run", error=SchemaError, words=words, schema=schema)
    settings = arguments(feed(300), tmp_path / "late", epochs=1)
    settings |= {"schema": schema, "ranks": "after", "tasks": (Binary("click"),)}
    assert plait.train(**settings).evaluation.tasks["click"]["auc"].is_known


def test_a_label_among_the_features_is_refused(tmp_path: Path) -> None:
    schema = Schema((Numeric("age"), Numeric("click")))
    words = "'click' is read from the column that is the label of task 'click'.*told the answer"
    assert_refused(feed(300), tmp_path / "run", error=SchemaError, words=words, schema=schema)


def test_a_ranking_task_without_requests_is_refused(tmp_path: Path) -> None:
    words = "Task 'place' ranks.*no role `request`"
    tasks = (Ranking("place", label="click"),)
    assert_refused(feed(300), tmp_path / "run", error=TaskError, words=words, tasks=tasks)


@pytest.mark.parametrize(
    ("argument", "value", "words"),
    [
        ("split", "time", r"`split` got 'time'; it takes a Split, such as `TimeSplit"),
        ("balancer", "BaseRate", r"`balancer` got 'BaseRate'; it takes a Balancer"),
        ("tasks", ["click"], r"`tasks` got 'click'; it takes a Task"),
        ("tasks", Binary("click"), r"`tasks` got Binary.*it takes a list"),
        ("links", "Chain", r"`links` got 'Chain'; it takes a list"),
        ("gates", ["ScenarioGate"], r"`gates` got 'ScenarioGate'; it takes a Gate"),
        ("architecture", "MMoE", r"`architecture` got 'MMoE'; it takes `MMoE` or `partial"),
        ("schema", ["age"], r"`schema` got \['age'\]; it takes a Schema"),
    ],
)
def test_a_name_where_an_object_belongs_is_refused(
    argument: str, value: object, words: str, tmp_path: Path
) -> None:
    changes = {argument: value}
    assert_refused(feed(50), tmp_path / "run", error=ArgumentTypeError, words=words, **changes)


def test_rows_without_a_match_in_a_side_table_are_counted(tmp_path: Path) -> None:
    side = pl.DataFrame({"item_id": ["item 1"], "price": [1.0]})
    settings = arguments(feed(300), tmp_path / "run", epochs=1)
    run = plait.train(**settings, tables=(Table("items", side, "item_id"),))
    assert any("300 rows find nothing in the side table 'items'" in fact for fact in run.facts)


def test_labels_outside_their_kind_are_refused_when_they_are_only_judged(finished: Path) -> None:
    rows = feed(100).with_columns(click=pl.lit(3))
    with pytest.raises(TaskError, match="expected 0 or 1"):
        plait.load(finished).evaluate(rows)


def test_weights_of_multi_hots_and_vectors_must_fit(tmp_path: Path) -> None:
    log = feed(300).with_columns(
        weights=pl.lit([1.0], dtype=pl.List(pl.Float64)),
        vector=pl.lit([1.0, 2.0], dtype=pl.List(pl.Float64)),
    )
    tags = MultiHot("tags", delimiter="|", weights="weights")
    assert_refused(
        log, tmp_path / "a", error=DataError, words=r"'weights'.*rows", schema=Schema((tags,))
    )
    wide = Schema((Vector("vector", size=3),))
    assert_refused(log, tmp_path / "b", error=DataError, words=r"'vector'.*3", schema=wide)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("finished") / "run"
    plait.train(**arguments(feed(800), out, epochs=1))
    return out


@pytest.fixture
def artifact(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished / "artifact", tmp_path / "artifact"))


def test_a_damaged_artifact_is_refused(artifact: Path) -> None:
    path = artifact / "model.safetensors"
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(ArtifactError, match=r"model\.safetensors.*checksum differs.*Copy"):
        plait.load(artifact)


def test_an_artifact_with_a_missing_file_is_refused(artifact: Path) -> None:
    (artifact / "schema.json").unlink()
    with pytest.raises(ArtifactError, match=r"schema\.json: the file is missing"):
        plait.load(artifact)


def test_a_newer_artifact_is_refused_with_the_version_to_install(artifact: Path) -> None:
    path = artifact / "artifact.json"
    form = json.loads(path.read_text())
    path.write_text(json.dumps({**form, "version": 99, "plait": "7.0"}))
    with pytest.raises(ArtifactError, match=r"version 99.*install the plait.*7\.0"):
        plait.load(artifact)


def test_a_folder_without_an_artifact_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"no artifact here.*run that has finished"):
        plait.load(tmp_path)


def test_a_folder_that_holds_a_run_is_not_overwritten(finished: Path) -> None:
    before = (finished / "metrics.json").read_bytes()
    with pytest.raises(ConfigurationError, match=r"holds a run already.*resume"):
        plait.train(**arguments(feed(800), finished))
    assert (finished / "metrics.json").read_bytes() == before


def test_resuming_another_run_is_refused(finished: Path) -> None:
    settings = arguments(feed(800), finished, epochs=1)
    settings["training"] = replace(settings["training"], learning_rate=0.5)
    with pytest.raises(ConfigurationError, match=r"training changed"):
        plait.train(**settings, resume=True)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"cannot be made"):
        plait.train(**arguments(feed(300), tmp_path / "file" / "run"))


def test_a_full_disk_is_said_and_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pl.LazyFrame, "sink_ipc", full)
    assert_refused(
        feed(300), tmp_path / "run", error=DataError, words=r"No space left on device.*Free some"
    )


def test_a_full_disk_while_the_artifact_is_written_keeps_the_old_one(
    artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from plait.artifact import content, read_artifact, write_artifact

    whole = read_artifact(artifact)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(content, "save_file", full)
    with pytest.raises(PlaitError, match=r"No space left on device"):
        write_artifact(artifact, whole, plait_version="0")
    assert read_artifact(artifact).schema == whole.schema
    assert [path.name for path in artifact.parent.iterdir()] == ["artifact"]


def test_every_arrow_file_of_a_run_is_readable_by_others(finished: Path) -> None:
    files = list(finished.rglob("*.arrow"))
    assert files
    for path in files:
        assert ipc.open_file(path).num_record_batches >= 1


def test_messages_name_no_internal(finished: Path) -> None:
    with pytest.raises(UnknownNameError) as caught:
        plait.load(finished).predict(feed(10).drop("age"))
    message: Any = str(caught.value)
    assert "feature 'age'" in message
    assert "Traceback" not in message
