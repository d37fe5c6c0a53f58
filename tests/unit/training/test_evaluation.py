"""Metrics of a store against scikit-learn on its predictions; slices, groups and spaces."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    brier_score_loss,
    log_loss,
    mean_absolute_error,
    mean_poisson_deviance,
    ndcg_score,
    r2_score,
    roc_auc_score,
    root_mean_squared_error,
)
from tests.unit.makers import BINARY_TASKS, SCHEMA, Data, make_data, make_log, make_model

from plait.architectures import Chain
from plait.errors import UnknownNameError
from plait.metrics import GAUC, gauc
from plait.models import MultiTaskModel
from plait.tasks import Binary
from plait.training import evaluate_store, predict_store
from plait.training.evaluation import MOST_SLICES
from plait.training.judging import scores

TIGHT = 1e-9


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return make_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def model(data: Data) -> MultiTaskModel:
    return make_model(data)


def judged(data: Data, model: MultiTaskModel, task: str) -> tuple[NDArray, NDArray]:
    """Labels and predictions of the rows whose label was seen, taken from the raw frame."""
    label = data.valid_frame[model.tasks[task].label_expression]
    seen = label.is_not_null().to_numpy()
    assert seen.sum() == data.valid.observed(task).sum()
    found = predict_store(model, data.valid)[task].astype(np.float64)
    return label.filter(pl.Series(seen)).to_numpy(), found[seen]


@pytest.mark.parametrize("task", ["click", "like"])
def test_a_binary_task_is_judged_as_by_scikit_learn(
    data: Data, model: MultiTaskModel, task: str
) -> None:
    found = evaluate_store(model, data.valid).tasks[task]
    labels, predictions = judged(data, model, task)
    expected = {
        "auc": roc_auc_score(labels, predictions),
        "log_loss": log_loss(labels, predictions),
        "pr_auc": average_precision_score(labels, predictions),
        "brier": brier_score_loss(labels, predictions),
    }
    for name, value in expected.items():
        assert abs(found[name].value - value) < TIGHT, name
    assert found["auc"].n == len(labels)
    assert found["auc"].n_positive == int(labels.sum())


def test_numbers_are_judged_as_by_scikit_learn(data: Data, model: MultiTaskModel) -> None:
    found = evaluate_store(model, data.valid).tasks
    labels, predictions = judged(data, model, "rating")
    scale = float(np.abs(predictions).max())
    for name, value in {
        "rmse": root_mean_squared_error(labels, predictions),
        "mae": mean_absolute_error(labels, predictions),
        "r2": r2_score(labels, predictions),
    }.items():
        # Labels lie in the store as float32.
        assert abs(found["rating"][name].value - value) < 1e-6 * scale, name
    stored = data.valid.labels("rating")[data.valid.observed("rating")].astype(np.float64)
    exact = root_mean_squared_error(stored, predictions)
    assert abs(found["rating"]["rmse"].value - exact) < TIGHT
    labels, predictions = judged(data, model, "visits")
    deviance = mean_poisson_deviance(labels, predictions)
    assert abs(found["visits"]["poisson_deviance"].value - deviance) < TIGHT


def test_classes_are_judged_as_by_scikit_learn(data: Data, model: MultiTaskModel) -> None:
    found = evaluate_store(model, data.valid).tasks["answer"]
    labels, predictions = judged(data, model, "answer")
    classes = ["no", "perhaps", "yes"]
    predictions = predictions / predictions.sum(axis=1, keepdims=True)
    assert abs(found["log_loss"].value - log_loss(labels, predictions)) < 1e-6
    chosen = np.array(classes)[predictions.argmax(axis=1)]
    assert abs(found["accuracy"].value - accuracy_score(labels, chosen)) < TIGHT


def test_a_ranking_is_judged_request_by_request(data: Data, model: MultiTaskModel) -> None:
    found = evaluate_store(model, data.valid).tasks["place"]["ndcg@10"]
    labels, predictions = judged(data, model, "place")
    requests = data.valid_frame["request_id"].to_numpy()
    values = [
        ndcg_score(labels[requests == r][None], predictions[requests == r][None], k=10)
        for r in np.unique(requests)
        if labels[requests == r].any()
    ]
    assert abs(found.value - float(np.mean(values))) < TIGHT
    assert found.n_groups == len(values)


def test_case_70_a_conversion_is_judged_on_clicks_and_the_joint_event_on_all_rows(
    tmp_path: Path,
) -> None:
    tasks = [Binary("click"), Binary("buy", label="click == 1 and buy == 1")]
    data = make_data(tmp_path, tasks)
    model = make_model(data, links=[Chain(parent="click", child="buy")])
    found = evaluate_store(model, data.valid).tasks
    predictions = predict_store(model, data.valid)
    clicked = data.valid_frame["click"].to_numpy() == 1
    bought = data.valid_frame["buy"].to_numpy()
    on_clicks = roc_auc_score(bought[clicked], predictions["buy_given_click"][clicked])
    assert abs(found["buy_given_click"]["auc"].value - on_clicks) < TIGHT
    assert found["buy_given_click"]["auc"].n == clicked.sum()
    assert abs(found["buy"]["auc"].value - roc_auc_score(bought, predictions["buy"])) < TIGHT
    assert found["buy"]["auc"].n == len(clicked)


def test_case_75_metrics_stay_inside_the_space(tmp_path: Path) -> None:
    data = make_data(tmp_path, [Binary("buy", space="click == 1")])
    model = make_model(data)
    clicked = data.valid_frame["click"].to_numpy() == 1
    found = evaluate_store(model, data.valid).tasks["buy"]["auc"]
    labels = data.valid_frame["buy"].to_numpy()[clicked]
    expected = roc_auc_score(labels, predict_store(model, data.valid)["buy"][clicked])
    assert abs(found.value - expected) < TIGHT
    assert found.n == clicked.sum()


def test_case_37_swapped_labels_swap_the_metrics(tmp_path: Path) -> None:
    frame = make_log(120).with_columns(like=pl.Series(np.arange(120) % 3 == 0).cast(pl.Int64))
    swapped = frame.with_columns(click=pl.col("like"), like=pl.col("click"))
    found = []
    for number, rows in enumerate((frame, swapped)):
        data = make_data(tmp_path / str(number), BINARY_TASKS, frame=rows, valid_frame=rows)
        same = np.linspace(0.1, 0.9, 120, dtype=np.float32)
        predictions = {"click": same, "like": same}
        model = make_model(data)
        found.append(evaluate_store(model, data.valid, predictions=predictions).tasks)
    assert found[0]["click"] == found[1]["like"]
    assert found[0]["like"] == found[1]["click"]
    assert found[0]["click"]["auc"] != found[0]["like"]["auc"]


def test_case_94_aggregated_rows_are_judged_as_one_row_for_each_trial(tmp_path: Path) -> None:
    frame = make_log(60).with_columns(
        clicks=pl.Series(np.arange(60) % 4), shown=pl.Series(np.arange(60) % 4 + np.arange(60) % 3)
    )
    task = Binary("ctr", label="clicks", trials="shown")
    data = make_data(tmp_path, [task], frame=frame, valid_frame=frame)
    model = make_model(data)
    found = evaluate_store(model, data.valid).tasks["ctr"]
    predictions = predict_store(model, data.valid)["ctr"].astype(np.float64)
    clicks, shown = frame["clicks"].to_numpy(), frame["shown"].to_numpy()
    labels = np.concatenate(
        [np.r_[np.ones(c), np.zeros(s - c)] for c, s in zip(clicks, shown, strict=True)]
    )
    repeated = np.repeat(predictions, shown)
    assert abs(found["auc"].value - roc_auc_score(labels, repeated)) < 1e-7
    assert abs(found["log_loss"].value - log_loss(labels, repeated)) < 1e-7
    assert abs(scores(model, data.valid, {"ctr": predictions})["ctr"] - found["auc"].value) < TIGHT


def test_weights_do_not_enter_the_metrics(tmp_path: Path) -> None:
    found = []
    for weight in (None, "1 + 9 * (price > 5)"):
        data = make_data(tmp_path / str(weight is None), [Binary("click", weight=weight)])
        predictions = {"click": np.linspace(0.1, 0.9, 120, dtype=np.float32)}
        model = make_model(data)
        found.append(evaluate_store(model, data.valid, predictions=predictions).tasks)
    assert found[0] == found[1]


@pytest.mark.parametrize("column", ["request_id", "user_id", "city", "age"])
def test_case_46_groups_may_be_any_column_of_texts_or_numbers(data: Data, column: str) -> None:
    model = make_model(data)
    found = evaluate_store(model, data.valid, group_by=column).tasks["click"]["gauc"]
    keys = data.valid_frame[column].cast(pl.String)
    each_null_apart = [key or f"null {row}" for row, key in enumerate(keys)]
    labels, predictions = judged(data, model, "click")
    expected = gauc(predictions, labels, groups=np.array(each_null_apart))
    assert found.n_groups == expected.n_groups
    if expected.is_known:
        assert abs(found.value - expected.value) < TIGHT
    else:
        assert not found.is_known


def test_the_user_is_the_group_where_nothing_else_is_said(data: Data) -> None:
    model = make_model(data)
    found = evaluate_store(model, data.valid)
    by_user = evaluate_store(model, data.valid, group_by="user_id")
    assert found.tasks["click"]["gauc"] == by_user.tasks["click"]["gauc"]
    assert found.tasks["place"]["ndcg@10"] != by_user.tasks["place"]["ndcg@10"]


def test_without_a_user_grouped_metrics_are_left_out(tmp_path: Path) -> None:
    data = make_data(tmp_path, BINARY_TASKS, schema=replace(SCHEMA, user=None, request=None))
    found = evaluate_store(make_model(data), data.valid)
    assert GAUC().name not in found.tasks["click"]


def test_unknown_columns_are_named(data: Data) -> None:
    model = make_model(data)
    with pytest.raises(UnknownNameError, match="no raw column 'citty' in the store"):
        evaluate_store(model, data.valid, group_by="citty")
    with pytest.raises(UnknownNameError, match="no raw column 'tabb' in the store"):
        evaluate_store(model, data.valid, slices=["tabb"])


def test_the_rows_of_the_slices_of_a_column_add_up(data: Data) -> None:
    model = make_model(data)
    found = evaluate_store(model, data.valid, slices=["tab", "city"])
    for column, values in (("tab", {"home", "search"}), ("city", {"Bonn", "Rome", "Oslo", "null"})):
        mine = [entry for entry in found.slices if entry.column == column]
        assert {entry.value for entry in mine} == values
        for task in set(model.outputs) - {"place"}:  # a request may lie in two slices
            whole = evaluate_store(model, data.valid).tasks[task]
            parts = [entry for entry in mine if entry.task == task]
            assert {entry.metric for entry in parts} <= set(whole)
            assert sum(entry.result.n for entry in parts) == whole[parts[0].metric].n


def test_a_slice_is_judged_on_its_rows(data: Data) -> None:
    model = make_model(data)
    found = evaluate_store(model, data.valid, slices=["tab"])
    inside = (data.valid_frame["tab"] == "home").to_numpy()
    labels = data.valid_frame["click"].to_numpy()[inside]
    expected = roc_auc_score(labels, predict_store(model, data.valid)["click"][inside])
    (home,) = (e for e in found.slices if (e.column, e.value, e.task) == ("tab", "home", "click"))
    assert abs(home.result.value - expected) < TIGHT
    assert home.metric == "auc"


def test_users_and_items_that_training_saw_and_others_are_always_sliced(tmp_path: Path) -> None:
    valid = make_log(100, seed=1).with_columns(
        user_id=pl.Series([500 + row % 3 if row < 30 else 1 for row in range(100)])
    )
    data = make_data(tmp_path, BINARY_TASKS, valid_frame=valid)
    found = evaluate_store(make_model(data), data.valid)
    rows = {(e.column, e.value): e.result.n for e in found.slices if e.task == "click"}
    assert rows["user_id", "not seen in training"] == 30
    assert rows["user_id", "seen in training"] == 70
    assert rows["item_id", "seen in training"] + rows["item_id", "not seen in training"] == 100


def test_columns_of_many_values_are_sliced_by_the_most_frequent(tmp_path: Path) -> None:
    valid = make_log(200, seed=1).with_columns(
        count=pl.Series([row % 60 if row < 120 else row % 30 for row in range(200)])
    )
    data = make_data(
        tmp_path, BINARY_TASKS, frame=make_log(80).with_columns(count=1), valid_frame=valid
    )
    found = evaluate_store(make_model(data), data.valid, slices=["count"])
    mine = [e for e in found.slices if e.column == "count" and e.task == "click"]
    assert len(mine) == MOST_SLICES + 1
    assert mine[-1].value == "other"
    assert sum(entry.result.n for entry in mine) == 200
    # Equally frequent values come in the order of their text: the same one in every run.
    sizes = [entry.result.n for entry in mine[:-1]]
    assert sizes == sorted(sizes, reverse=True)
    for size in set(sizes):
        values = [entry.value for entry in mine[:-1] if entry.result.n == size]
        assert values == sorted(values)


def test_a_metric_that_cannot_be_computed_is_null_with_its_reason(tmp_path: Path) -> None:
    data = make_data(tmp_path, BINARY_TASKS, valid_frame=make_log(40, seed=1).with_columns(click=1))
    found = evaluate_store(make_model(data), data.valid, slices=["tab"])
    form = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert form["click"]["auc"]["value"] is None
    assert form["click"]["auc"]["reason"]
    assert form["click"]["auc"]["n"] == 40
    assert form["like"]["auc"]["value"] is not None
    flat = json.loads(json.dumps(found.slices_to_json(), allow_nan=False))
    assert {"column", "slice", "task", "metric", "value", "n"} <= set(flat[0])
