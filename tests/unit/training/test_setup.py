"""From a store to fitted heads and to what balancers may know."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from tests.unit.makers import Data, make_data, make_log, make_model
from torch.testing import assert_close

from plait.errors import TaskError
from plait.tasks import Binary, Multiclass
from plait.training import Training, fit_heads, setup
from plait.training.setup import check_labels, target_facts, task_facts


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return make_data(tmp_path_factory.mktemp("data"))


def test_facts_hold_the_observed_labels_with_their_columns(data: Data) -> None:
    facts = target_facts(data.train, "visits")
    assert facts.targets.dtype == np.float64
    assert facts.targets.tolist() == data.frame["visits"].to_list()
    np.testing.assert_allclose(facts.extras["exposure"], data.frame["days"], rtol=1e-6)
    assert set(facts.extras) == {"exposure"}
    assert len(target_facts(data.train, "like").targets) == data.frame["like"].count()


def test_balancers_are_told_shares_means_and_entropies(data: Data) -> None:
    facts = task_facts(make_model(data), data.train)
    like = data.frame["like"].drop_nulls()
    rate = float(like.mean())  # type: ignore[arg-type]
    assert math.isclose(facts["like"].observed, len(like) / 240)
    assert math.isclose(facts["like"].mean, rate)
    entropy = -(rate * math.log(rate) + (1 - rate) * math.log(1 - rate))
    assert facts["like"].entropy is not None
    assert math.isclose(facts["like"].entropy, entropy)
    shares = data.frame["answer"].drop_nulls().value_counts(normalize=True)["proportion"]
    assert facts["answer"].entropy is not None
    assert math.isclose(facts["answer"].entropy, -float((shares * shares.log()).sum()))
    assert facts["rating"].entropy is None


def test_facts_count_rows_by_their_weight(tmp_path: Path) -> None:
    data = make_data(tmp_path, [Binary("click", weight="1 + 3 * click")])
    facts = task_facts(make_model(data), data.train)["click"]
    rate = float(data.frame["click"].mean())  # type: ignore[arg-type]
    assert math.isclose(facts.mean, 4 * rate / (4 * rate + 1 - rate))


@pytest.mark.parametrize("task", [Binary("click"), Multiclass("click", classes=(0, 1))])
def test_a_store_without_labels_has_facts_without_a_mean(
    tmp_path: Path, data: Data, task: Binary
) -> None:
    frame = make_log(20).with_columns(click=pl.lit(None, dtype=pl.Int64))
    empty = make_data(tmp_path, [task], frame=frame, valid_frame=frame)
    model = make_model(data, tasks=[data.tasks[0]])
    model.tasks = {"click": task}
    facts = task_facts(model, empty.train)["click"]
    assert facts.observed == 0.0
    assert math.isnan(facts.mean)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([None, None, None, None], "Task 'click' has no observed label"),
        ([1, 1, 1, None], "have the same label, 1, so that there is nothing to learn"),
        ([0, 1, 2, 1], "hold a bad label, for example 2; expected 0 or 1"),
    ],
)
def test_labels_that_cannot_be_trained_on_are_refused(
    tmp_path: Path, labels: list[int | None], words: str
) -> None:
    frame = make_log(40).with_columns(click=pl.Series(labels * 10, dtype=pl.Int64))
    data = make_data(tmp_path, [Binary("click")], frame=frame, valid_frame=frame)
    with pytest.raises(TaskError, match=words):
        make_model(data)


def test_labels_that_are_only_judged_may_be_absent_but_not_of_another_kind(
    tmp_path: Path, data: Data
) -> None:
    model = make_model(data)
    check_labels(model, data.valid)
    check_labels(model, make_data(tmp_path / "none", valid_frame=make_log(0)).valid)
    bad = make_log(20, seed=1).with_columns(click=pl.lit(7))
    with pytest.raises(TaskError, match="for example 7; expected 0 or 1"):
        check_labels(model, make_data(tmp_path / "bad", valid_frame=bad).valid)


def test_fitting_sets_the_last_biases(data: Data) -> None:
    model = make_model(data)
    for name in model.tasks:
        model.tower_of(name).last.bias.data.fill_(9.0)
    fit_heads(model, data.train)
    for name in model.tasks:
        bias = model.tower_of(name).last.bias.detach()
        assert_close(bias, model.head(name).initial_bias())


@pytest.mark.parametrize(
    ("threads", "processors", "shuffle_rows", "prefetch"),
    [(1, 2, None, 1), (2, 2, None, 0), (4, 2, None, 0), (2, 2, 8, 1)],
)
def test_batches_are_made_beside_the_step_where_a_processor_or_a_disk_waits(
    data: Data,
    monkeypatch: pytest.MonkeyPatch,
    threads: int,
    processors: int,
    shuffle_rows: int | None,
    prefetch: int,
) -> None:
    monkeypatch.setattr(setup, "_num_processors", lambda: processors)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    model, settings = make_model(data, tasks=[Binary("click")]), Training(shuffle_rows=shuffle_rows)
    assert setup.make_loader(model, data.train, settings).prefetch == prefetch
