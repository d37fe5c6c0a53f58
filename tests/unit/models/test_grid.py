"""Every sharing structure with every link: nothing in one may count on what the other is."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
from tests.unit.makers import SCENIC, Data, gradients, make_data, make_model, same_bits, whole
from tests.unit.models.test_links import JOINT, ON_CLICKS, TIED
from torch.testing import assert_close

from plait.architectures import ARCHITECTURES, Architecture
from plait.artifact.content import build_model, model_settings
from plait.balancing import Equal
from plait.models import MultiTaskModel
from plait.testing import gradients_cut_at, plain_gradients
from plait.training import Supervised

PLACED = replace(SCENIC, position="visits")


@pytest.fixture(scope="module")
def joint(tmp_path_factory: pytest.TempPathFactory) -> Data:
    folder = tmp_path_factory.mktemp("joint")
    return make_data(folder, JOINT, schema=PLACED, rows=60, valid_rows=20)


@pytest.fixture(scope="module")
def on_clicks(tmp_path_factory: pytest.TempPathFactory) -> Data:
    folder = tmp_path_factory.mktemp("on_clicks")
    return make_data(folder, ON_CLICKS, schema=SCENIC, rows=60, valid_rows=20)


@pytest.mark.parametrize("tie", TIED)
@pytest.mark.parametrize("kind", ARCHITECTURES, ids=lambda kind: kind.__name__)
def test_they_fit(kind: type[Architecture], tie: str, joint: Data, on_clicks: Data) -> None:
    data = on_clicks if tie == "nise" else joint
    model = make_model(data, architecture=partial(kind, layers=(6, 6)), links=TIED[tie]).eval()
    _learns_from_every_part(model, data)
    plain = plain_gradients(model, whole(data.valid))
    for name, gradient in gradients_cut_at("shared", model, whole(data.valid)).items():
        assert_close(gradient, plain[name], msg=name)
    again = build_model(model_settings(model))(data.train.layout, data.tasks).eval()
    again.load_state_dict(model.state_dict())
    assert same_bits(again.predict(whole(data.valid)), model.predict(whole(data.valid)))


def _learns_from_every_part(model: MultiTaskModel, data: Data) -> None:
    found = Supervised(dict.fromkeys(model.tasks, 1.0)).losses(model, whole(data.train), 0)
    Equal().backward(found.tasks, found.penalty)
    reached = gradients(model)
    assert set(reached) == {name for name, _ in model.named_parameters()}
    assert all(gradient.isfinite().all() for gradient in reached.values())
