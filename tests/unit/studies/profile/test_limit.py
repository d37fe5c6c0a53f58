"""The machine's limit, with the measured seconds given by hand."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from tests.unit.makers import make_data, make_log, make_model

from plait.architectures import SharedBottom
from plait.data.schema import Categorical, Schema
from plait.models import MultiTaskModel
from plait.studies.profile import limit
from plait.tasks import Binary


@pytest.fixture
def model(tmp_path: Path) -> MultiTaskModel:
    """A network of 8 → 10 → 5 → 1: 135 multiply-adds, and twice as many backward."""
    schema = Schema((Categorical("user_id", embedding_dim=8),))
    data = make_data(tmp_path, (Binary("click"),), schema=schema, frame=make_log(240))
    return make_model(data, architecture=partial(SharedBottom, layers=(10,)), tower=(5,))


def test_the_limit_is_that_of_the_fastest_shape(
    model: MultiTaskModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes = {"8 → 10": 0.5, "10 → 5": 0.2, "5 → 1": 0.1}
    seconds = iter(shapes.values())
    monkeypatch.setattr(limit, "_fastest", lambda work, device: next(seconds))
    found = limit.machine_limit(model, rows=100)
    # Multiply-adds a second: 3·100·80 / 0.5 = 48,000; 3·100·50 / 0.2 = 75,000; 3·100·5 / 0.1.
    assert (found.in_features, found.out_features) == (10, 5)
    assert found.flops == pytest.approx(150_000)
    assert found.rows_per_second == pytest.approx(75_000 / (3 * 135))


def test_the_best_of_several_rounds_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = []
    monkeypatch.setattr(limit, "SECONDS", 0.0)
    best = limit._fastest(lambda: rounds.append(1), torch.device("cpu"))
    assert len(rounds) == 3
    assert best > 0


def test_a_limit_is_measured(model: MultiTaskModel) -> None:
    found = limit.machine_limit(model, rows=64)
    assert found.rows_per_second * 2 * 3 * 135 == pytest.approx(found.flops)
