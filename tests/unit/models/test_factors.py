"""The product of user and item: by hand, where it stands, and where it does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from tests.unit.makers import SCHEMA, TASKS, Data, make_data, make_model, whole
from torch.testing import assert_close

from plait.data.batch import UNKNOWN
from plait.data.schema import Categorical, Schema
from plait.models import MultiTaskModel
from plait.tasks import Binary
from plait.training import Trainer, Training, predict_store


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return make_data(tmp_path_factory.mktemp("data"))


def shaken(model: MultiTaskModel) -> MultiTaskModel:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()
    return model.eval()


def silenced(model: MultiTaskModel) -> MultiTaskModel:
    """The model with nothing left but the product and the biases."""
    with torch.no_grad():
        for name in model.tasks:
            model.tower_of(name).last.weight.zero_()
            model.tower_of(name).last.bias.zero_()
    return model


def test_each_tasks_parameters_are_the_weighed_product_and_both_biases(data: Data) -> None:
    model = silenced(shaken(make_model(data)))
    batch = whole(data.valid)
    columns = [column.name for column in model.layout.ids]
    users, items = (batch.ids[:, columns.index(key)].tolist() for key in ("user_id", "item_id"))
    assert model.factor_tables is not None
    factors = model.factor_tables.tables
    width, user_rows = factors.rows_of("user_id.factors")
    _, item_rows = factors.rows_of("item_id.factors")
    vectors = factors.storages[width].detach()
    p, q = vectors[user_rows], vectors[item_rows]
    for name, found in model(batch).items():
        term = model.factor_terms[name]
        biases = term.biases.tables
        size, b_user = biases.rows_of(f"user_id.bias.{name}")
        _, b_item = biases.rows_of(f"item_id.bias.{name}")
        storage = biases.storages[size].detach()
        for row, (u, i) in enumerate(zip(users, items, strict=True)):
            by_hand = [
                sum(float(w[d]) * float(p[u, d]) * float(q[i, d]) for d in range(len(w)))
                + float(storage[b_user][u, out])
                + float(storage[b_item][i, out])
                for out, w in enumerate(term.weight.detach())
            ]
            assert_close(found[row].detach(), torch.tensor(by_hand), rtol=1e-4, atol=1e-4)


def test_it_is_added_to_what_the_deep_network_says(data: Data) -> None:
    model, other = shaken(make_model(data)), shaken(make_model(data))
    other.load_state_dict(model.state_dict())
    batch = whole(data.valid)
    together = model(batch)
    product = silenced(other)(batch)
    with torch.no_grad():
        for term in model.factor_terms.values():
            term.weight.zero_()
            for storage in term.biases.parameters():
                storage.zero_()
    deep = model(batch)
    for name, found in together.items():
        assert_close(found, deep[name] + product[name], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("key", ["user_id", "item_id"])
def test_a_task_that_may_not_read_a_key_has_no_product(data: Data, key: str) -> None:
    tasks = (replace(data.tasks[0], hide=(key,)), *data.tasks[1:])
    model = shaken(make_model(data, tasks=tasks))
    assert set(model.factor_terms) == {task.name for task in tasks[1:]}
    batch = whole(data.valid)
    before = model(batch)[tasks[0].name]
    with torch.no_grad():
        for tables in model.key_tables:
            for storage in tables.parameters():
                storage.normal_()
    assert torch.equal(model(batch)[tasks[0].name], before)


def test_there_is_none_without_both_keys_or_where_it_is_not_wanted(
    data: Data, tmp_path: Path
) -> None:
    assert MultiTaskModel(data.train.layout, data.tasks, factors=0).key_tables == []
    lonely = replace(SCHEMA, item=None)
    other = make_data(tmp_path, TASKS[:1], schema=lonely)
    assert make_model(other).key_tables == []


def test_unknown_users_share_one_row(data: Data) -> None:
    model, batch = shaken(make_model(data)), whole(data.valid)
    columns = [column.name for column in model.layout.ids]
    ids = batch.ids.clone()
    ids[:, columns.index("user_id")] = UNKNOWN
    ids[:, columns.index("item_id")] = UNKNOWN
    found = model.lookup(replace(batch, ids=ids)).vectors
    for name in ("user_id.factors", "item_id.factors", "user_id.bias.click"):
        assert (found[name] == found[name][0]).all()


def test_it_learns_tastes_that_neither_key_shows_alone(tmp_path: Path) -> None:
    """Labels are the sign of a product: every user and every item is positive half the time."""
    generator = np.random.default_rng(0)
    taste, kind = generator.normal(size=(40, 2)), generator.normal(size=(30, 2))
    users, items = (grid.ravel() for grid in np.meshgrid(range(40), range(30)))
    liked = (taste[users] * kind[items]).sum(axis=1) > 0
    frame = pl.DataFrame({"user": users, "item": items, "like": liked}).sample(
        fraction=1.0, shuffle=True, seed=0
    )
    schema = Schema((Categorical("user"), Categorical("item")), user="user", item="item")
    data = make_data(
        tmp_path, [Binary("like")], schema=schema, frame=frame[:900], valid_frame=frame[900:]
    )
    settings = Training(epochs=60, batch_size=64, table_learning_rate=0.1, key_l2=0.01, patience=60)
    model = make_model(data)
    with torch.no_grad():  # the deep part is silent: what is learnt, the product has learnt
        model.tower_of("like").last.weight.zero_()
    model.tower_of("like").last.weight.requires_grad_(requires_grad=False)
    Trainer(model, settings).fit(data.train)
    right = (predict_store(model, data.valid)["like"] > 0.5) == (data.valid.labels("like") == 1)
    assert right.mean() > 0.9
