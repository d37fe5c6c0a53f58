"""Gaps, unseen ids, and what each task brings to training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.unit.makers import make_data, make_log, make_model

from plait.studies.doctor.fit import gaps, task_shares, unseen
from plait.studies.doctor.sampling import sample_rows
from plait.studies.opened import OpenedRun
from plait.tasks import Binary
from plait.training import evaluate_store


def test_a_gap_is_the_difference_of_the_metric_on_both_parts(run: OpenedRun) -> None:
    found = {gap.output: gap for gap in gaps(run.model, run.train, run.judged, seed=0)}
    train = evaluate_store(run.model, run.train).tasks
    test = evaluate_store(run.model, run.judged).tasks
    click, stars = found["click"], found["stars"]
    assert click.train == pytest.approx(train["click"]["auc"].value)
    assert click.held_out == pytest.approx(test["click"]["auc"].value)
    assert click.excess == pytest.approx(click.train - click.held_out)
    assert stars.excess == pytest.approx(
        test["stars"]["rmse"].value / train["stars"]["rmse"].value - 1
    )
    assert click.n == (960, 400)


def test_unseen_shares_are_counted_worst_first(tmp_path: Path) -> None:
    later = make_log(100, seed=1).with_columns(
        user_id=pl.when(pl.int_range(pl.len()) < 30).then(10_000).otherwise("user_id"),
        city=pl.when(pl.int_range(pl.len()) < 10).then(pl.lit("Lima")).otherwise("city"),
    )
    data = make_data(tmp_path, valid_frame=later)
    found = unseen(data.train, data.valid)
    assert [(entry.feature, entry.is_key) for entry in found] == [
        ("user_id", True),
        ("city", False),
    ]
    assert [entry.after for entry in found] == pytest.approx([0.3, 0.1])
    assert all(entry.train == 0 for entry in found)


def test_shares_of_losses_and_gradients_are_one_together(tmp_path: Path) -> None:
    data = make_data(tmp_path)
    found = task_shares(make_model(data).eval(), data.train, seed=0)
    assert [share.task for share in found] == [task.name for task in data.tasks]
    assert sum(share.loss for share in found) == pytest.approx(1.0)
    assert sum(share.gradient for share in found) == pytest.approx(1.0)
    click = found[0]
    assert click.positives == int(data.frame["click"].sum())
    assert click.observed == len(data.frame)
    assert next(share for share in found if share.task == "rating").positives is None


def test_a_task_of_tiny_weight_starves(tmp_path: Path) -> None:
    tasks = (Binary("click"), Binary("buy", normaliser="batch", observed="user_id == 3"))
    data = make_data(tmp_path, tasks)
    click, buy = task_shares(make_model(data).eval(), data.train, seed=0)
    assert buy.gradient < 0.3 < click.gradient


def test_samples_are_bounded_seeded_and_of_whole_requests(tmp_path: Path) -> None:
    data = make_data(tmp_path)
    store = data.train
    np.testing.assert_array_equal(sample_rows(store, 1000, seed=0), np.arange(240))
    first, again, other = (sample_rows(store, 40, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert len(first) == 40
    assert (first != other).any()
    requests = store.key("request")
    for request in np.unique(requests[first]):
        assert set(np.flatnonzero(requests == request)) <= set(first)


def test_without_requests_any_row_may_be_drawn(tmp_path: Path) -> None:
    store = make_data(tmp_path).train
    store.layout = replace(store.layout, keys=())
    among = store.labels("click") == 1
    found = sample_rows(store, 20, seed=0, among=among)
    assert len(found) == 20
    assert among[found].all()
    assert (np.diff(found) > 0).all()
