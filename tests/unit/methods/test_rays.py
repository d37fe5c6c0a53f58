"""One model for every preference, by every way to learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.unit.makers import Data, make_data, make_model

from plait.balancing import FairGrad, Rays
from plait.methods import Hybrid, JointFeatures, Method, SoftLabels
from plait.models import preferring
from plait.tasks import Binary
from plait.training import Training, predict_store

WAYS: dict[str, Method] = {
    "joint features": JointFeatures(min_positives=0),
    "soft labels": SoftLabels(members=2),
    "hybrid": Hybrid(),
    "soft labels from hybrid": SoftLabels(members=2, start=Hybrid()),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    folder: Path = tmp_path_factory.mktemp("data")
    return make_data(folder, (Binary("click"), Binary("like")), rows=160, valid_rows=60)


@pytest.mark.parametrize("name", WAYS)
def test_a_model_learnt_in_any_way_answers_for_every_preference(data: Data, name: str) -> None:
    model = make_model(data, preference=True)
    rule = Rays(rule=FairGrad(surface="parameters"))
    settings = Training(epochs=2, max_steps=6, batch_size=40)
    history = WAYS[name].fit(model, data.train, data.valid, settings=settings, balancer=rule)
    assert history.evaluations[-1].balance["norms"].keys() == {"click", "like"}
    model.eval()
    found = []
    for ray in ([1.0, 0.0], [0.0, 1.0], [1.0, 0.0]):
        with preferring(ray):
            found.append(predict_store(model, data.valid))
    for task in ("click", "like"):
        one, other, again = (np.asarray(columns[task]) for columns in found)
        assert np.abs(one - other).max() > 1e-3
        assert np.array_equal(one, again)
