"""Which rows count, and one number a task for stopping."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from tests.unit.makers import TASKS, Data, make_data, make_log, make_model

from plait.tasks import Binary, Multiclass, Regression
from plait.training import evaluate_store, judging, predict_store
from plait.training.judging import judged_rows, mix, scores, shares_of_mix


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return make_data(tmp_path_factory.mktemp("data"))


def test_scores_are_turned_so_that_higher_is_better(data: Data) -> None:
    model = make_model(data)
    predictions = predict_store(model, data.valid)
    found = scores(model, data.valid, predictions)
    metrics = evaluate_store(model, data.valid).tasks
    assert found["click"] == metrics["click"]["auc"].value
    assert found["place"] == metrics["place"]["ndcg@10"].value
    assert found["answer"] == -metrics["answer"]["log_loss"].value
    spread = data.valid.labels("rating")[data.valid.observed("rating")].astype(np.float64).std()
    assert math.isclose(found["rating"], -0.5 * metrics["rating"]["rmse"].value / spread)


def test_a_constant_label_leaves_the_score_unknown(tmp_path: Path) -> None:
    valid = make_log(20, seed=1).with_columns(rating=3.0)
    data = make_data(tmp_path, [Regression("rating")], valid_frame=valid)
    model = make_model(data)
    assert math.isnan(scores(model, data.valid, predict_store(model, data.valid))["rating"])


def test_the_mix_is_the_mean_of_what_is_known() -> None:
    tasks = {
        "a": Binary("a"),
        "b": Multiclass("b"),
        "c": Binary("c", role="auxiliary"),
    }
    found = {"a": 0.8, "b": -1.0, "c": 0.1}
    assert math.isclose(mix(tasks, found, None), -0.1)
    assert math.isclose(mix(tasks, found, {"a": 3.0, "c": 1.0}), (3 * 0.8 + 0.1) / 4)
    assert mix(tasks, {**found, "b": math.nan}, None) == 0.8
    assert math.isnan(mix(tasks, {**found, "a": math.nan}, {"a": 1.0}))
    assert math.isnan(mix(tasks, {**found, "a": -math.inf}, {"a": 1.0}))


def test_a_task_that_few_rows_judge_counts_less_in_the_mix(
    data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, store = make_model(data), data.valid
    counts = {name: int(store.observed(name).sum()) for name in model.tasks}
    for name in ("click", "like"):
        positive = int((store.labels(name)[store.observed(name)] == 1).sum())
        counts[name] = min(positive, counts[name] - positive)
    assert len(set(counts.values())) > 2
    for many in (10, 50, 10_000):
        monkeypatch.setattr(judging, "MANY_LABELS", many)
        full = min(many, max(counts.values()))
        expected = {name: min(1.0, count / full) for name, count in counts.items()}
        assert shares_of_mix(model, store) == expected


def test_without_any_label_no_task_counts(data: Data) -> None:
    nothing = data.valid.relabelled(
        observed=dict.fromkeys(data.valid.tasks, np.zeros(data.valid.num_rows, dtype=bool))
    )
    assert set(shares_of_mix(make_model(data), nothing).values()) == {0.0}


def test_judged_rows_stay_in_a_slice(data: Data) -> None:
    model = make_model(data)
    predictions = predict_store(model, data.valid)
    rows = np.arange(data.valid.num_rows) % 2 == 0
    groups = data.valid.key("user")
    found = judged_rows(model, data.valid, "like", predictions["like"], rows=rows, groups=groups)
    kept = rows & data.valid.observed("like")
    assert np.array_equal(found.predictions, predictions["like"][kept])
    assert np.array_equal(found.targets, data.valid.labels("like")[kept])
    assert found.groups is not None
    assert np.array_equal(found.groups, groups[kept])
    assert found.weights is None
    assert len(TASKS) == len(model.tasks)
