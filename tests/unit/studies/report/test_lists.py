"""Lists: overlaps and costs against loops by hand, no person named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plait.metrics import ndcg
from plait.studies.opened import OpenedRun
from plait.studies.report.lists import HIDDEN_ITEM, MEAN_RANK, orders_of, study_lists


@pytest.fixture(scope="module")
def untied(run: OpenedRun) -> OpenedRun:
    """The run with predictions of which no two are equal: the order is the only one."""
    rng = np.random.default_rng(0)
    fresh = replace(run)
    vars(fresh)["predictions"] = {
        output: rng.permutation(values.size).reshape(values.shape).astype(np.float32)
        for output, values in run.predictions.items()
    }
    return fresh


def by_hand(run: OpenedRun, task: str, group: int) -> list[int]:
    """The rows of one request, best first."""
    rows = np.flatnonzero(run.judged.key("request") == group)
    return [int(row) for row in rows[np.argsort(-run.predictions[task][rows], kind="stable")]]


def test_the_overlap_is_the_mean_share_in_common(untied: OpenedRun) -> None:
    found = study_lists(untied, least_rows=20, seed=0)
    assert (found.list_of, found.cut, found.num_lists) == ("request", 5, 50)
    assert found.orders == ("click", "buy", "stars", MEAN_RANK)
    groups = np.unique(untied.judged.key("request"))
    shares = [
        len(set(by_hand(untied, "click", g)[:5]) & set(by_hand(untied, "stars", g)[:5])) / 5
        for g in groups
    ]
    assert found.overlap[0][2] == pytest.approx(np.mean(shares))
    assert found.overlap[2][0] == found.overlap[0][2]
    assert [found.overlap[place][place] for place in range(4)] == pytest.approx([1, 1, 1, 1])


def test_a_cost_is_the_metric_of_one_task_in_the_order_of_another(untied: OpenedRun) -> None:
    found = study_lists(untied, least_rows=20, seed=0)
    costs = {(cost.ordered_by, cost.judged_by): cost for cost in found.costs}
    store, known = untied.judged, untied.judged.observed("stars")
    wanted = {
        task: ndcg(
            untied.predictions[task][known],
            store.labels("stars")[known],
            store.key("request")[known],
            k=5,
        ).value
        for task in ("click", "stars")
    }
    assert costs["click", "stars"].ndcg.value == pytest.approx(wanted["click"], abs=1e-6)
    relative = wanted["click"] / wanted["stars"] - 1
    assert costs["click", "stars"].relative == pytest.approx(relative, abs=1e-6)
    assert costs["stars", "stars"].relative == 0


def test_an_example_names_items_and_letters_and_no_person(run: OpenedRun) -> None:
    found = study_lists(run, least_rows=20, seed=0)
    assert [example.who for example in found.examples] == ["user A", "user B", "user C"]
    for example in found.examples:
        assert len(example.before) == len(example.after) == len(example.was) == 5
        assert all(name.startswith("item ") for name in (*example.before, *example.after))
        for name, was in zip(example.after, example.was, strict=True):
            assert was >= 5 or example.before[was] == name


def test_items_of_few_rows_are_not_named(run: OpenedRun) -> None:
    found = study_lists(run, least_rows=45, seed=0)
    frames = [store.frame(["item"])["item"].to_list() for store in (run.train, run.judged)]
    counts = {name: sum(frame.count(name) for frame in frames) for name in frames[1]}
    assert min(counts.values()) < 45 <= max(counts.values())
    shown = {name for example in found.examples for name in (*example.before, *example.after)}
    assert HIDDEN_ITEM in shown
    assert all(counts[name] >= 45 for name in shown - {HIDDEN_ITEM})


def test_equal_predictions_are_ordered_by_the_seed_alike_for_every_task() -> None:
    same = np.zeros(60, np.float32)
    groups = np.repeat(np.arange(4), 15)
    first, second, mean = orders_of({"a": same, "b": same}, groups, rows=np.arange(60), seed=3)
    assert first.overlap(second, 5).tolist() == [1.0] * 4
    np.testing.assert_array_equal(mean.places, first.places)
    other = orders_of({"a": same}, groups, rows=np.arange(60), seed=4)[0]
    assert (other.places != first.places).any()


def test_the_mean_rank_lies_between_the_tasks() -> None:
    a = np.array([3, 2, 1, 0], np.float32)
    b = np.array([2, 3, 1, 0], np.float32)
    found = orders_of({"a": a, "b": b, "c": b}, np.zeros(4, np.int64), rows=np.arange(4), seed=0)
    assert found[-1].name == MEAN_RANK
    assert found[-1].places.tolist() == [1, 0, 2, 3]


@pytest.mark.parametrize(
    ("least_rows", "reason"), [(51, "Fewer than 51 lists are longer than 3 rows")]
)
def test_too_few_lists_are_not_studied(run: OpenedRun, least_rows: int, reason: str) -> None:
    assert study_lists(run, least_rows=least_rows, seed=0).reason == reason


def test_without_users_and_requests_there_are_no_lists(run: OpenedRun) -> None:
    store = run.judged
    kept, store.layout = store.layout, replace(store.layout, keys=())
    try:
        found = study_lists(run, least_rows=20, seed=0)
    finally:
        store.layout = kept
    assert found.reason.startswith("The schema names neither a request nor a user")


def test_one_task_alone_changes_no_list(run: OpenedRun) -> None:
    model = run.model
    kept, model.tasks = model.tasks, {"click": model.tasks["click"]}
    try:
        assert study_lists(run, least_rows=20, seed=0).reason.startswith("Fewer than two target")
    finally:
        model.tasks = kept
