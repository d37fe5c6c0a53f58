"""The two networks: by hand, apart from each other, and in what they share."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest
import torch
from tests.unit.makers import SCHEMA, Data, make_data, whole
from tests.unit.models.test_late import as_float64
from torch import Tensor, nn
from torch.testing import assert_close

from plait.data.batch import UNKNOWN
from plait.retrieval import TwoTower

USER = ("user_id", "age", "history")
ITEM = ("item_id", "genres", "text")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return make_data(tmp_path_factory.mktemp("data"), rows=60, valid_rows=20)


def made(data: Data, similarity: Literal["dot", "cosine"] = "dot", rate: float = 0.0) -> TwoTower:
    torch.manual_seed(0)
    return TwoTower(
        data.train.layout,
        user_features=USER,
        item_features=ITEM,
        width=5,
        layers=(6, 4),
        similarity=similarity,
        unknown_rate=rate,
    )


def by_hand(model: TwoTower, side: str, read: Tensor) -> Tensor:
    """`W_3 relu(W_2 relu(W_1 x + b_1) + b_2) + b_3`."""
    weights = dict(model.towers.named_parameters())
    for layer in range(2):
        name = f"{side}.0.linears.{layer}"
        read = (read @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]).clamp(min=0)
    return read @ weights[f"{side}.1.weight"].T + weights[f"{side}.1.bias"]


@pytest.mark.parametrize("similarity", ["dot", "cosine"])
def test_each_vector_is_what_its_network_makes_of_its_features(
    similarity: Literal["dot", "cosine"], data: Data
) -> None:
    model = made(data, similarity).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()
    batch = as_float64(whole(data.valid))
    columns = [column.name for column in model.layout.ids]

    def table(name: str) -> Tensor:
        width, rows = model.tables.rows_of(name)
        return model.tables.storages[width][rows]

    def mean(name: str, of: str) -> Tensor:
        given, rows = batch.lists[name], []
        for row in range(len(batch)):
            span = slice(int(given.offsets[row]), int(given.offsets[row + 1]))
            vectors = table(of)[given.values[span].long()]
            weights = torch.ones(len(vectors)) if given.weights is None else given.weights[span]
            total = (vectors * weights.double()[:, None]).sum(0)
            rows.append(total / weights.sum() if len(vectors) else total)
        return torch.stack(rows)

    def ids(name: str) -> Tensor:
        return batch.ids[:, columns.index(name)].long()

    numbers = batch.numbers.view(len(batch), -1, 3)[:, 0]  # of age
    pieces = (numbers[:, 1:2] - torch.arange(4)).clamp(0, 1)
    age = torch.cat([numbers[:, 0::2], pieces], dim=1)
    user = [table("user_id")[ids("user_id")], table("age.bin")[ids("age.bin")]]
    user = torch.cat([*user, mean("history", "item_id"), age], dim=1)
    item = torch.cat(
        [table("item_id")[ids("item_id")], mean("genres", "genres"), batch.vectors["text"]], dim=1
    )
    found = model(batch)
    for side, read, vectors in (("user", user, found.user), ("item", item, found.item)):
        expected = by_hand(model, side, read)
        if similarity == "cosine":
            expected = expected / expected.norm(dim=1, keepdim=True)
        assert_close(vectors, expected, rtol=0, atol=1e-10)
    scores = model.scores(found.user, found.item)
    factor = 1 / model.temperature if similarity == "cosine" else 1.0
    assert_close(scores[3, 7], (found.user[3] * found.item[7]).sum() * factor, rtol=0, atol=1e-10)


def test_neither_tower_sees_what_the_other_reads(data: Data) -> None:
    model, batch = made(data).eval(), whole(data.valid)
    columns = [column.name for column in model.layout.ids]
    ids = batch.ids.clone()
    ids[:, columns.index("item_id")] = UNKNOWN
    changed = replace(batch, ids=ids, vectors={"text": torch.zeros_like(batch.vectors["text"])})
    assert torch.equal(model.vectors(changed, "user"), model(batch).user)
    assert not torch.equal(model.vectors(changed, "item"), model(batch).item)


def test_gradients_reach_all_but_what_nobody_reads_and_tables_keep_theirs_sparse(
    data: Data,
) -> None:
    model = made(data).train()
    with torch.no_grad():
        for parameter in model.towers.parameters():
            parameter.normal_()
    found = model(whole(data.train))
    model.scores(found.user, found.item).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.is_sparse == name.startswith("tables."), name


def test_ids_are_left_out_in_training_alone(data: Data) -> None:
    model, batch = made(data, rate=0.9), whole(data.train)
    torch.manual_seed(0)
    once, again = model.train()(batch).user, model(batch).user
    assert not torch.equal(once, again)
    assert torch.equal(model.eval()(batch).user, model(batch).user)


def test_only_linear_layers_are_left_without_hidden_ones(data: Data) -> None:
    layout = data.train.layout
    model = TwoTower(layout, user_features=USER, item_features=ITEM, layers=())
    assert sum(isinstance(module, nn.Linear) for module in model.modules()) == 2
    assert SCHEMA.user == layout.user
