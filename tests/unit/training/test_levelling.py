"""Mean predictions that are the mean labels, order untouched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.unit.makers import Data, make_data, make_model, whole

from plait.architectures import ESCM2, Chain
from plait.tasks import Binary, Regression
from plait.training import level_base_rates, levelling, predict_store

TASKS = (
    Binary("click", positive_weight=3.0),
    Binary("like", weight="price"),
    Regression("rating"),
)
FUNNEL = (Binary("click"), Binary("buy", parents=("click",)))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return make_data(tmp_path_factory.mktemp("data"), TASKS)


def test_the_mean_prediction_becomes_the_mean_label_and_the_order_stays(data: Data) -> None:
    model = make_model(data)
    with torch.no_grad():
        model.tower_of("click").last.bias.add_(0.7)
    before = predict_store(model, data.train)
    shifts = level_base_rates(model, data.train)
    after = predict_store(model, data.train)
    assert set(shifts) == {"click", "like"}
    for name in shifts:
        weight = data.train.weights(name) * data.train.observed(name)
        label = np.average(data.train.labels(name), weights=weight)
        assert np.average(after[name], weights=weight) == pytest.approx(label, abs=1e-5)
        np.testing.assert_array_equal(np.argsort(after[name]), np.argsort(before[name]))
    np.testing.assert_array_equal(after["rating"], before["rating"])


def test_a_task_of_few_labels_is_levelled_on_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_data(tmp_path, TASKS, rows=400)
    rows = np.arange(400)
    observed = dict.fromkeys(("like", "rating"), rows % 40 == 7) | {"click": rows % 2 == 0}
    train = data.train.relabelled(observed=observed)
    monkeypatch.setattr(levelling, "MOST_ROWS", 10)
    model = make_model(data)
    level_base_rates(model, train)
    weight = train.weights("like") * observed["like"]
    found = predict_store(model, train)["like"]
    label = np.average(train.labels("like"), weights=weight)
    assert np.average(found, weights=weight) == pytest.approx(label, abs=1e-5)


def test_rows_looked_at_for_one_task_do_not_move_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_data(tmp_path, TASKS, rows=4000)
    click, rows = data.train.labels("click"), np.arange(4000)
    observed = {"like": (click == 1) & (rows % 4 == 1)}  # known on rows with a click
    train = data.train.relabelled(observed=observed)
    monkeypatch.setattr(levelling, "MOST_ROWS", 500)
    model = make_model(data)
    level_base_rates(model, train)
    looked_at = np.linspace(0, 3999, 500).astype(np.int64)
    found = predict_store(model, train)["click"]
    assert found[looked_at].mean() == pytest.approx(click.mean(), abs=1e-5)
    assert found.mean() == pytest.approx(click.mean(), rel=0.03)


def test_the_mean_label_is_that_of_all_blocks(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(levelling, "_BLOCK_ROWS", 37)
    model = make_model(data)
    level_base_rates(model, data.train)
    found = predict_store(model, data.train)["click"]
    assert found.mean() == pytest.approx(data.train.labels("click").mean(), abs=1e-5)


def test_a_second_time_there_is_nothing_to_shift(data: Data) -> None:
    model = make_model(data)
    level_base_rates(model, data.train)
    again = level_base_rates(model, data.train)
    assert all(abs(shift) < 1e-4 for shift in again.values())


def test_a_chains_child_is_levelled_on_the_joint_event(tmp_path: Path) -> None:
    data = make_data(tmp_path, FUNNEL)
    model = make_model(data, links=[Chain(parent="click", child="buy")])
    with torch.no_grad():
        model.tower_of("click").last.bias.add_(-0.5)
        model.tower_of("buy").last.bias.add_(0.5)
    level_base_rates(model, data.train)
    found = predict_store(model, data.train)
    for name in ("click", "buy"):
        assert found[name].mean() == pytest.approx(data.train.labels(name).mean(), abs=1e-5)
    assert (found["buy"] <= found["click"]).all()
    assert model.predict(whole(data.train)).keys() == {"click", "buy", "buy_given_click"}


def test_where_the_chance_of_the_parent_is_known_rows_are_weighed_by_it(tmp_path: Path) -> None:
    tasks = (Binary("click", propensity="price / 30"), Binary("buy", weight="price"))
    data = make_data(tmp_path, tasks)
    chance = data.train.extra("click.propensity")
    assert chance.min() < 0.2 < chance.max() < 1
    model = make_model(data, links=[ESCM2(parent="click", child="buy", clip=0.2)])
    with torch.no_grad():
        model.tower_of("buy").last.bias.add_(0.5)
    level_base_rates(model, data.train)
    found = predict_store(model, data.train)
    clicked = data.train.labels("click") == 1
    weight = data.train.weights("buy") / np.maximum(chance, 0.2) * clicked
    label = np.average(data.train.labels("buy"), weights=weight)
    given_click = np.average(found["buy_given_click"], weights=weight)
    assert given_click == pytest.approx(label, abs=1e-5)
    joint = np.average(found["buy"], weights=data.train.weights("buy"))
    wanted = np.average(data.train.labels("buy"), weights=data.train.weights("buy"))
    assert joint != pytest.approx(wanted, abs=1e-3)  # it cannot be right as well

    # A plain chain has nothing to do with the chance, and is levelled on the joint event.
    plain = make_model(data, links=[Chain(parent="click", child="buy")])
    level_base_rates(plain, data.train)
    found = predict_store(plain, data.train)
    joint = np.average(found["buy"], weights=data.train.weights("buy"))
    assert joint == pytest.approx(wanted, abs=1e-5)
