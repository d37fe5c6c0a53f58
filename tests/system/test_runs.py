"""Whole runs: what is trained, judged, saved and loaded again is one and the same."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from polars.testing import assert_frame_equal
from sklearn.metrics import log_loss, mean_squared_error, roc_auc_score
from tests.system.feeds import arguments, feed

import plait
from plait import Binary, Categorical, Chain, MMoE, Numeric, Run, Schema, Table, Training
from plait.errors import ConfigurationError, UnknownNameError


@pytest.fixture(scope="module")
def log() -> pl.DataFrame:
    return feed(3000)


@pytest.fixture(scope="module")
def run(log: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return plait.train(**arguments(log, tmp_path_factory.mktemp("run") / "run", epochs=12))


def test_case_39_evaluate_equals_scikit_learn_on_predict(run: Run, log: pl.DataFrame) -> None:
    fresh = feed(2000, seed=5)
    evaluation = run.predictor.evaluate(fresh)
    found = run.predictor.predict(fresh, keep=["click", "like", "seconds"], prefix="p_")
    clicks = evaluation.tasks["click"]
    truth, scores = found["click"].to_numpy(), found["p_click"].to_numpy()
    assert clicks["auc"].value == pytest.approx(roc_auc_score(truth, scores), abs=1e-9)
    assert clicks["log_loss"].value == pytest.approx(
        log_loss(truth, scores.astype(np.float64)), abs=1e-9
    )
    liked = found.filter(pl.col("click") == 1)
    truth, scores = liked["like"].to_numpy(), liked["p_like"].to_numpy()
    assert evaluation.tasks["like"]["auc"].value == pytest.approx(
        roc_auc_score(truth, scores), abs=1e-9
    )
    assert evaluation.tasks["like"]["auc"].n == len(liked)
    truth = liked["seconds"].cast(pl.Float32).to_numpy()  # labels are kept as float32
    scores = liked["p_seconds"].to_numpy().astype(np.float64)
    assert evaluation.tasks["seconds"]["rmse"].value == pytest.approx(
        np.sqrt(mean_squared_error(truth, scores)), abs=1e-9
    )


def test_cases_15_95_99_a_fresh_process_gives_the_same_bits_from_raw_values(
    run: Run, log: pl.DataFrame, tmp_path: Path
) -> None:
    rows = log.tail(500)
    rows.write_parquet(tmp_path / "rows.parquet")
    script = (
        "import sys, plait; plait.load(sys.argv[1]).predict(sys.argv[2]).write_parquet(sys.argv[3])"
    )
    paths = [str(run.folder), str(tmp_path / "rows.parquet"), str(tmp_path / "out.parquet")]
    subprocess.run([sys.executable, "-c", script, *paths], check=True)
    assert_frame_equal(
        pl.read_parquet(tmp_path / "out.parquet"), run.predictor.predict(rows), check_exact=True
    )


def test_a_moved_artifact_predicts_the_same(run: Run, log: pl.DataFrame, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    (run.folder / "artifact").rename(moved)
    try:
        again = plait.load(moved).predict(log.head(50))
    finally:
        moved.rename(run.folder / "artifact")
    assert_frame_equal(again, run.predictor.predict(log.head(50)), check_exact=True)


def test_case_14_and_106_types_may_change_on_the_way_to_serving(
    run: Run, log: pl.DataFrame, tmp_path: Path
) -> None:
    rows = log.head(200).drop("history")
    rows = rows.with_columns(history=pl.lit([], dtype=pl.List(pl.String)))
    expected = run.predictor.predict(rows)
    texts = rows.with_columns(pl.col("user_id").cast(pl.String), pl.col("age").cast(pl.String))
    assert_frame_equal(run.predictor.predict(texts), expected, check_exact=True)
    assert_frame_equal(run.predictor.predict(rows.to_pandas()), expected, check_exact=True)
    assert_frame_equal(run.predictor.predict(rows.to_arrow()), expected, check_exact=True)


def test_the_metrics_file_holds_every_task_and_metric(run: Run) -> None:
    form = json.loads((run.folder / "metrics.json").read_text())
    assert set(form["test"]) == {"click", "like", "seconds"}
    auc = form["test"]["click"]["auc"]
    assert auc["value"] == run.evaluation.tasks["click"]["auc"].value
    assert auc["n"] == run.evaluation.tasks["click"]["auc"].n
    assert auc["value"] > 0.6


def test_case_70_conversions_are_judged_on_clicks_and_joint_events_everywhere(
    log: pl.DataFrame, tmp_path: Path
) -> None:
    settings = arguments(log, tmp_path / "run", epochs=3)
    settings["tasks"] = (
        Binary("click"),
        Binary("bought", label="click == 1 and like == 1", parents=("click",), min_positives=1),
    )
    settings["links"] = (Chain(parent="click", child="bought"),)
    settings["architecture"] = partial(MMoE, num_experts=3)
    run = plait.train(**settings)
    tasks = run.evaluation.tasks
    clicks = tasks["click"]["auc"].n_positive
    assert tasks["bought_given_click"]["auc"].n == clicks
    assert tasks["bought"]["auc"].n == tasks["click"]["auc"].n
    found = run.predictor.predict(log)
    product = found["click"] * found["bought_given_click"]
    np.testing.assert_allclose(found["bought"], product, rtol=1e-6)
    assert (found["bought"] <= found["click"]).all()
    reloaded = plait.load(run.folder).predict(log)
    assert_frame_equal(reloaded, found, check_exact=True)


def test_side_tables_are_joined_in_training_and_from_the_artifact(
    log: pl.DataFrame, tmp_path: Path
) -> None:
    items = pl.DataFrame({"item_id": [f"item {k}" for k in range(40)], "price": np.arange(40.0)})
    items.write_parquet(tmp_path / "items.parquet")
    settings = arguments(log, tmp_path / "run")
    settings["tables"] = (Table("items", str(tmp_path / "items.parquet"), "item_id"),)
    settings["schema"] = Schema((Categorical("user_id"), Numeric("price")), user="user_id")
    run = plait.train(**settings)
    expected = run.predictor.predict(log.head(100))
    (tmp_path / "items.parquet").unlink()
    assert_frame_equal(plait.load(run.folder).predict(log.head(100)), expected, check_exact=True)


def first_ids(run: Run, log: pl.DataFrame) -> NDArray[np.int32]:
    """The ids of the first feature, as the run's artifact reads them."""
    artifact = run.predictor.artifact
    assert artifact.history is not None
    return artifact.preprocessor.transform(artifact.history.transform(log)).ids[:, 0]


def test_case_19_training_goes_on_with_new_ids_a_new_feature_and_a_new_task(
    run: Run, log: pl.DataFrame, tmp_path: Path
) -> None:
    newer = pl.concat([log, feed(500, seed=9).with_columns(pl.col("user_id") + 1000)])
    settings = arguments(newer, tmp_path / "run", epochs=1)
    settings["init_from"] = run.folder
    settings["schema"] = Schema(
        (*settings["schema"].features, Numeric("time")),
        user="user_id",
        item="item_id",
    )
    settings["tasks"] = (*settings["tasks"], Binary("long", label="seconds > 20"))
    grown = plait.train(**settings)
    before, after = (first_ids(r, log) for r in (run, grown))
    known = before > 3
    np.testing.assert_array_equal(before[known], after[known])
    assert grown.evaluation.tasks["long"]["auc"].is_known
    assert "user_id" in grown.predictor.artifact.schema.names


def test_an_unchanged_log_is_prepared_once(log: pl.DataFrame, tmp_path: Path) -> None:
    for name in ("first", "second"):
        settings = arguments(log, tmp_path / name, epochs=1)
        plait.train(**settings, cache=tmp_path / "cache")
    assert len(list((tmp_path / "cache").glob("*/log.json"))) == 1
    other = arguments(log.head(2000), tmp_path / "third", epochs=1)
    plait.train(**other, cache=tmp_path / "cache")
    assert len(list((tmp_path / "cache").glob("*/log.json"))) == 2


def test_several_logs_are_mixed_by_ratio(log: pl.DataFrame, tmp_path: Path) -> None:
    settings = arguments(log, tmp_path / "run", epochs=1)
    settings["log"] = [log.head(1500), log.tail(1500)]
    run = plait.train(**settings, ratios=(3, 1))
    facts = json.loads((run.folder / "facts.json").read_text())
    rows = sum(part["rows"] for part in facts["parts"].values())
    assert 1850 < rows < 2150


def test_case_119_two_runs_of_one_seed_give_the_same_metrics(
    run: Run, log: pl.DataFrame, tmp_path: Path
) -> None:
    again = plait.train(**arguments(log, tmp_path / "run", epochs=12))
    assert again.evaluation.to_json() == run.evaluation.to_json()
    assert again.evaluation.slices_to_json() == run.evaluation.slices_to_json()


def test_a_run_that_is_given_more_epochs_equals_one_that_had_them(
    log: pl.DataFrame, tmp_path: Path
) -> None:
    long = plait.train(**arguments(log, tmp_path / "long", epochs=4))
    plait.train(**arguments(log, tmp_path / "short", epochs=2))
    resumed = plait.train(**arguments(log, tmp_path / "short", epochs=4), resume=True)
    assert resumed.evaluation.to_json() == long.evaluation.to_json()


def test_case_93_drawing_negatives_keeps_probabilities_right(
    log: pl.DataFrame, tmp_path: Path
) -> None:
    settings = arguments(feed(8000), tmp_path / "run")
    settings["tasks"] = (Binary("click"), Binary("both", label="click == 1 and seconds > 40"))
    settings["training"] = Training(epochs=8, batch_size=128, keep_negatives=0.3)
    run = plait.train(**settings)
    for task in ("click", "both"):
        assert run.evaluation.tasks[task]["pcoc"].value == pytest.approx(1.0, abs=0.12)


def test_the_best_state_of_one_task_can_be_loaded(run: Run, log: pl.DataFrame) -> None:
    history = json.loads((run.folder / "history.json").read_text())
    likes = [report["scores"]["like"] for report in history["evaluations"]]
    best = plait.load(run.folder, best_of="like")
    ordinary = plait.load(run.folder)
    assert best.columns == ordinary.columns
    tops = [report["is_best"] for report in history["evaluations"]]
    same = likes.index(max(likes)) == len(tops) - 1 - tops[::-1].index(True)
    found = best.predict(log.head(200)).equals(ordinary.predict(log.head(200)))
    assert found == same
    with pytest.raises(UnknownNameError, match=r"no task 'lik'.*Did you mean 'like'"):
        plait.load(run.folder, best_of="lik")


def test_no_rows_give_no_predictions(run: Run, log: pl.DataFrame) -> None:
    assert run.predictor.predict(log.clear()).shape == (0, 3)


def test_rows_are_predicted_in_slices_that_change_nothing(
    run: Run, log: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that memory does not grow with the chunk that is read."""
    asked = log.head(100)
    whole = run.predictor.predict(asked, keep=["user_id"])
    monkeypatch.setattr("plait.serving.predictor.ROWS_AT_ONCE", 33)
    sliced = run.predictor.predict(asked, keep=["user_id"])
    assert_frame_equal(sliced, whole, abs_tol=1e-6)


@pytest.mark.parametrize(
    ("suffix", "read"),
    [(".parquet", pl.read_parquet), (".csv", pl.read_csv), (".arrow", pl.read_ipc)],
)
def test_predictions_go_to_a_file_in_slices(
    suffix: str,
    read: Callable[[Path], pl.DataFrame],
    run: Run,
    log: pl.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr("plait.data.staging.CHUNK_ROWS", 40)
    told: list[tuple[int, int]] = []
    path = tmp_path / f"out{suffix}"
    written = run.predictor.predict_file(
        log.head(100),
        path,
        keep=["user_id"],
        prefix="p_",
        on_rows=lambda done, total: told.append((done, total)),
    )
    assert (written, told) == (100, [(40, 100), (80, 100), (100, 100)])
    whole = run.predictor.predict(log.head(100), keep=["user_id"], prefix="p_")
    assert_frame_equal(read(path), whole, abs_tol=1e-6, check_dtypes=suffix != ".csv")


def test_no_rows_give_a_file_of_columns(run: Run, log: pl.DataFrame, tmp_path: Path) -> None:
    assert run.predictor.predict_file(log.clear(), tmp_path / "out.parquet") == 0
    assert pl.read_parquet(tmp_path / "out.parquet").columns == list(run.predictor.columns)


def test_predictions_in_bfloat16_are_near_and_are_what_is_judged(
    run: Run, log: pl.DataFrame, tmp_path: Path
) -> None:
    narrow = plait.load(run.folder, precision="bf16")
    wide, found = run.predictor.predict(log), narrow.predict(log)
    for name in ("click", "like"):
        gap = (wide[name] - found[name]).abs()
        assert 0 < gap.max() < 0.03
    judged = narrow.evaluate(log).tasks["click"]["auc"].value
    assert judged == pytest.approx(roc_auc_score(log["click"], found["click"]), abs=1e-4)
    assert narrow.predict_file(log, tmp_path / "out.parquet") == log.height
    assert_frame_equal(pl.read_parquet(tmp_path / "out.parquet"), found, abs_tol=1e-6)
    with pytest.raises(ConfigurationError, match="`precision` is 'fp32' or 'bf16', got 'f8'"):
        plait.load(run.folder, precision="f8")  # type: ignore[arg-type]


def test_predictions_by_the_compiled_engine_are_the_same(run: Run, log: pl.DataFrame) -> None:
    compiled = plait.load(run.folder, engine="compiled")
    assert_frame_equal(compiled.predict(log), run.predictor.predict(log), abs_tol=1e-5)
    judged = compiled.evaluate(log).tasks["click"]["auc"].value
    assert judged == pytest.approx(
        run.predictor.evaluate(log).tasks["click"]["auc"].value, abs=1e-4
    )
    with pytest.raises(ConfigurationError, match="`engine` is 'torch' or 'compiled', got 'fast'"):
        plait.load(run.folder, engine="fast")  # type: ignore[arg-type]
    with pytest.raises(
        ConfigurationError, match="'compiled' has no kernels for `precision` 'bf16'"
    ):
        plait.load(run.folder, engine="compiled", precision="bf16")


def test_predictions_that_are_stopped_half_way_leave_no_file(
    run: Run, log: pl.DataFrame, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("plait.data.staging.CHUNK_ROWS", 40)

    def stop(done: int, total: int) -> None:
        if done == 80:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.predictor.predict_file(log.head(100), tmp_path / "out.parquet", on_rows=stop)
    assert list(tmp_path.iterdir()) == []


def test_a_note_in_the_readme_of_an_artifact_breaks_nothing(run: Run) -> None:
    card = run.folder / "artifact" / "README.md"
    card.write_text(card.read_text() + "\nOurs since May.\n")
    assert plait.load(run.folder).columns == ("click", "like", "seconds")


def test_the_model_card_tells_outputs_inputs_and_metrics(run: Run) -> None:
    card = (run.folder / "artifact" / "README.md").read_text()
    for words in ("| `like` | binary |", "`history` (sequence", "## Test metrics", "plait.load"):
        assert words in card
