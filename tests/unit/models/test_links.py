"""Links with layers and losses of their own, in a whole model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.makers import SCHEMA, Data, gradients, make_data, make_model, same_bits, whole
from torch.testing import assert_close

from plait.architectures import AITM, DBMTL, DCMT, ESCM2, LINKS, NISE, Chain, Link, PositionBias
from plait.artifact.content import build_model, model_settings
from plait.balancing import Equal
from plait.models import MultiTaskModel
from plait.tasks import Binary
from plait.testing import SURFACES, gradients_cut_at, plain_gradients
from plait.testing.stages import Surface
from plait.training import Expected, Supervised, Trainer, Training

JOINT = (Binary("click"), Binary("buy", label="click == 1 and buy == 1", parents=("click",)))
ON_CLICKS = (Binary("click"), Binary("buy", space="click == 1", parents=("click",)))

PLACED = replace(SCHEMA, position="visits")
"""Any column of small whole numbers will do for a place."""

TIED: dict[str, Sequence[Link]] = {
    "ips": [ESCM2(parent="click", child="buy")],
    "snips": [ESCM2(parent="click", child="buy", estimator="snips")],
    "dr": [ESCM2(parent="click", child="buy", estimator="dr")],
    "dcmt": [DCMT(parent="click", child="buy")],
    "nise": [NISE(parent="click", child="buy")],
    "aitm": [AITM(tasks=("click", "buy"))],
    "dbmtl": [DBMTL(parents={"buy": ("click",)})],
    "position": [PositionBias(tasks=("click",), positions=3), Chain(parent="click", child="buy")],
    "two": [AITM(tasks=("click", "buy")), Chain(parent="click", child="buy")],
}


@pytest.fixture(scope="module")
def joint(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return make_data(tmp_path_factory.mktemp("joint"), JOINT, schema=PLACED)


@pytest.fixture(scope="module")
def on_clicks(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return make_data(tmp_path_factory.mktemp("on_clicks"), ON_CLICKS)


@pytest.fixture(params=TIED)
def tied(
    request: pytest.FixtureRequest, joint: Data, on_clicks: Data
) -> tuple[Data, Sequence[Link]]:
    return (on_clicks if request.param == "nise" else joint), TIED[request.param]


def test_every_link_is_tried_here() -> None:
    assert {type(link) for links in TIED.values() for link in links} == set(LINKS)


def test_every_parameter_is_reached(tied: tuple[Data, Sequence[Link]]) -> None:
    data, links = tied
    model = make_model(data, links=links).train()
    found = Supervised(dict.fromkeys(model.tasks, Expected(1.0))).losses(
        model, whole(data.train), 0
    )
    Equal().backward(found.tasks, found.penalty)
    reached = gradients(model)
    assert set(reached) == {name for name, _ in model.named_parameters()}
    assert all(gradient.isfinite().all() for gradient in reached.values())


@pytest.mark.parametrize("surface", SURFACES)
def test_cut_and_rejoined_is_plain(tied: tuple[Data, Sequence[Link]], surface: Surface) -> None:
    data, links = tied
    model = make_model(data, links=links).eval()
    plain = plain_gradients(model, whole(data.valid))
    cut = gradients_cut_at(surface, model, whole(data.valid))
    assert cut.keys() == plain.keys()
    for name, gradient in plain.items():
        assert_close(cut[name], gradient, msg=name)


def test_settings_and_state_make_the_same_model_again(tied: tuple[Data, Sequence[Link]]) -> None:
    data, links = tied
    model = make_model(data, links=links).eval()
    again = build_model(model_settings(model))(data.train.layout, data.tasks)
    again.load_state_dict(model.state_dict())
    assert same_bits(again.eval().predict(whole(data.valid)), model.predict(whole(data.valid)))


def test_it_trains(tied: tuple[Data, Sequence[Link]], tmp_path: Path) -> None:
    data, links = tied
    model = make_model(data, links=links)
    settings = Training(epochs=2, batch_size=40)
    history = Trainer(model, settings, folder=tmp_path).fit(data.train, data.valid)
    assert history.skipped == {}
    assert all(p.isfinite().all() for p in model.eval().predict(whole(data.valid)).values())


def test_one_link_in_two_models_has_layers_in_each(joint: Data) -> None:
    link = AITM(tasks=("click", "buy"))
    first, second = (make_model(joint, links=[link], seed=seed) for seed in (0, 1))
    assert not list(link.parameters())
    shared = {id(p) for p in first.parameters()} & {id(p) for p in second.parameters()}
    assert not shared


def test_a_risk_is_added_to_the_loss_of_the_child_alone(joint: Data) -> None:
    batch = whole(joint.train)

    def losses(link: Link) -> dict[str, float]:
        model = make_model(joint, links=[link]).eval()
        found = Supervised(dict.fromkeys(model.tasks, Expected(1.0))).losses(model, batch, 0)
        return {name: loss.item() for name, loss in found.tasks.items()}

    chained = losses(Chain(parent="click", child="buy"))
    once = losses(ESCM2(parent="click", child="buy", weight=0.1))
    twice = losses(ESCM2(parent="click", child="buy", weight=0.2))
    assert once["click"] == twice["click"] == chained["click"]
    added = once["buy"] - chained["buy"]
    assert added > 0
    assert twice["buy"] - chained["buy"] == pytest.approx(2 * added, rel=1e-4)


def test_a_link_without_weight_is_the_plain_chain(joint: Data) -> None:
    batch = whole(joint.train)
    models: list[MultiTaskModel] = []
    for link in (
        Chain(parent="click", child="buy"),
        ESCM2(parent="click", child="buy", weight=0.0),
    ):
        model = make_model(joint, links=[link]).train()
        found = Supervised(dict.fromkeys(model.tasks, Expected(1.0))).losses(model, batch, 0)
        Equal().backward(found.tasks, found.penalty)
        models.append(model)
    plain, weightless = map(gradients, models)
    for name, gradient in plain.items():
        assert_close(weightless[name], gradient, rtol=0, atol=0)
