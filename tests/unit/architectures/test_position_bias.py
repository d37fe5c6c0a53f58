from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from scipy.stats import spearmanr
from tests.unit.architectures.link_reference import cross_entropy, sigmoid
from tests.unit.makers import SCHEMA, make_data, make_model, same_bits, whole

import plait
from plait.architectures import PositionBias
from plait.data.schema import Categorical, Schema
from plait.errors import ArchitectureError, SchemaError, TaskError, UnknownNameError
from plait.tasks import Binary, Regression, Task
from plait.testing import LinkContract
from plait.training import Expected, Supervised


class TestPositionBias(LinkContract):
    def make(self) -> PositionBias:
        return PositionBias(tasks=["click"], positions=4)

    def tasks(self) -> Mapping[str, Task]:
        return {"click": Binary("click"), "hours": Regression("hours")}


def _link(positions: int = 3) -> PositionBias:
    link = PositionBias(tasks=["click"], positions=positions).double()
    torch.nn.init.normal_(link.biases[0])
    return link


def test_the_loss_is_that_of_the_sum_of_both_logits() -> None:
    link = _link()
    logit = torch.randn(6, 1, dtype=torch.float64)
    label = [1.0, 0.0, 1.0, 1.0, 0.0, 0.0]
    places = [0, 1, 2, 3, 7, -5]  # the last three are beyond, or no place at all
    observed = link.observe({"click": logit}, {"position": torch.tensor(places)})["click"]
    losses = torch.nn.functional.binary_cross_entropy_with_logits(
        observed.squeeze(1), torch.tensor(label, dtype=torch.float64), reduction="none"
    )
    b = link.learnt()["click"]
    for row, place in enumerate(places):
        z = logit[row].item() + b[place if place in (0, 1, 2) else 3]
        assert losses[row].item() == pytest.approx(cross_entropy(label[row], sigmoid(z)), abs=1e-10)


def test_losses_know_the_place_and_predictions_do_not(tmp_path: Path) -> None:
    placed = Schema(SCHEMA.features, user="user_id", item="item_id", position="visits")
    data = make_data(tmp_path, [Binary("click")], schema=placed)
    model = make_model(data, links=[PositionBias(tasks=["click"], positions=3)]).eval()
    batch = whole(data.train)
    before = model.predict(batch)
    loss = Supervised({"click": Expected(1.0)}).losses(model, batch, 0).tasks["click"]
    (link,) = model.links
    assert isinstance(link, PositionBias)
    torch.nn.init.constant_(link.biases[0], 5.0)
    assert same_bits(model.predict(batch), before)
    assert Supervised({"click": Expected(1.0)}).losses(model, batch, 0).tasks["click"] > 2 * loss


def test_the_true_order_of_clicks_is_recovered_from_a_ranking_that_was_wrong(
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(0)
    rows, items = 6_000, 20
    appeal = np.linspace(-1.5, 1.5, items)
    item = rng.integers(items, size=rows)
    # The old ranking tends to put the worst on top.
    place = np.clip(np.round(item / 5 + rng.normal(0, 1.0, rows)), 0, 4).astype(np.int64)
    chance = 1 / (1 + np.exp(-(appeal[item] + np.array([2.0, 1.0, 0.0, -1.0, -2.0])[place])))
    click = rng.random(rows) < chance
    log = pl.DataFrame({"item": item, "place": place, "click": click})
    orders, biases = {}, []
    for name, links in {
        "plain": [],
        "placed": [PositionBias(tasks=["click"], positions=5)],
    }.items():
        run = plait.train(
            log,
            schema=Schema((Categorical("item", min_count=1),), position="place"),
            tasks=[Binary("click")],
            split=plait.RandomSplit(),
            training=plait.Training(epochs=8, batch_size=64),
            architecture=plait.SharedBottom,
            links=links,
            out=tmp_path / name,
        )
        asked = run.predictor.predict(pl.DataFrame({"item": np.arange(items)}))
        orders[name] = spearmanr(asked["click"].to_numpy(), appeal).statistic
        biases = [link.learnt()["click"] for link in run.predictor.artifact.model.links]
    assert orders["placed"] > 0.9
    assert orders["plain"] < orders["placed"] - 0.3
    assert biases[0][:5] == sorted(biases[0][:5], reverse=True)
    assert math.isfinite(biases[0][5])


def test_what_it_cannot_work_with_is_refused() -> None:
    link = PositionBias(tasks=["click"])
    with pytest.raises(SchemaError, match=r"the schema names none.*role `position`"):
        link.check_schema(Schema((Categorical("item"),)))
    with pytest.raises(SchemaError, match=r"the feature 'where' reads the position 'place', so"):
        link.check_schema(Schema((Categorical("where", column="place"),), position="place"))
    link.check_schema(Schema((Categorical("item"),), position="place"))
    with pytest.raises(UnknownNameError, match="no task 'click' in PositionBias"):
        link.check({"buy": Binary("buy")})
    with pytest.raises(TaskError, match="'click' is a regression task; it adds to a logit"):
        link.check({"click": Regression("click")})
    with pytest.raises(ArchitectureError, match="the prepared rows have none"):
        link.observe({"click": torch.zeros(1, 1)}, {})
    with pytest.raises(TaskError, match="`tasks` is empty"):
        PositionBias(tasks=[])
    with pytest.raises(TaskError, match="`positions` must be at least 1, got 0"):
        PositionBias(tasks=["click"], positions=0)
