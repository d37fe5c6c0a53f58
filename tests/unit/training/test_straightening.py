"""The line through the validation rows: by NumPy, only where it is clear, and only for numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.unit.makers import Data, make_data, make_model

from plait.models import MultiTaskModel
from plait.tasks import Binary, Regression
from plait.training import Trainer, Training, finish, predict_store, straighten
from plait.training.straightening import slope_of

TASKS = (Binary("click"), Regression("rating"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    folder = tmp_path_factory.mktemp("data")
    return make_data(folder, TASKS, rows=400, valid_rows=400)


@pytest.fixture(scope="module")
def trained(data: Data) -> MultiTaskModel:
    """A model whose numbers follow the labels."""
    model = make_model(data)
    Trainer(model, Training(epochs=20, batch_size=32, learning_rate=0.02)).fit(data.train)
    return model.eval()


def scaled(model: MultiTaskModel, data: Data, factor: float) -> MultiTaskModel:
    """The model with its numbers times a factor, around the mean label."""
    other = make_model(data)
    other.load_state_dict(model.state_dict())
    tower = other.tower_of("rating")
    assert tower.factors is not None
    with torch.no_grad():
        tower.last.weight.mul_(factor)
        tower.last.bias.mul_(factor)
        tower.factors.weight.mul_(factor)
        for storage in tower.factors.biases.parameters():
            storage.mul_(factor)
    return other.eval()


def test_the_line_is_that_of_numpy_with_whites_errors() -> None:
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=500), rng.uniform(0.5, 2.0, size=500)
    y = 1.3 * x - 0.2 + rng.normal(size=500) * (0.1 + np.abs(x))
    slope, error = slope_of(*(torch.from_numpy(a) for a in (x, y, w)))
    expected = np.polyfit(x, y, 1, w=np.sqrt(w))
    assert slope == pytest.approx(expected[0], rel=1e-6)
    design = np.column_stack([x, np.ones(500)])
    bread = np.linalg.inv(design.T @ (w[:, None] * design))
    residual = y - design @ expected
    meat = design.T @ ((w * residual)[:, None] ** 2 * design)
    assert error == pytest.approx(np.sqrt((bread @ meat @ bread)[0, 0]), rel=1e-6)


def numpys_slope(predictions: np.ndarray, data: Data) -> float:
    seen = data.valid.observed("rating")
    labels = data.valid.labels("rating")[seen].astype(np.float64)
    return float(np.polyfit(predictions[seen].astype(np.float64), labels, 1)[0])


@pytest.mark.parametrize("factor", [0.2, 3.0])
def test_predictions_follow_the_slope_of_the_validation_rows_and_keep_their_mean(
    trained: MultiTaskModel, data: Data, factor: float
) -> None:
    model = scaled(trained, data, factor)
    before = predict_store(model, data.valid)
    slope = numpys_slope(before["rating"], data)
    assert not 0.8 < slope < 1.25  # there is something to put right
    found = straighten(model, data.valid)
    after = predict_store(model, data.valid)
    assert found["rating"] == pytest.approx(slope, rel=1e-3)
    seen = data.valid.observed("rating")
    mean = before["rating"][seen].mean()
    expected = mean + slope * (before["rating"] - mean)
    np.testing.assert_allclose(after["rating"], expected, rtol=1e-3)
    assert after["rating"][seen].mean() == pytest.approx(mean, rel=1e-4)
    np.testing.assert_array_equal(after["click"], before["click"])
    assert numpys_slope(after["rating"], data) == pytest.approx(1.0, abs=0.05)


def test_a_second_time_changes_nothing(trained: MultiTaskModel, data: Data) -> None:
    model = scaled(trained, data, 3.0)
    first = straighten(model, data.valid)
    once = predict_store(model, data.valid)
    assert straighten(model, data.valid) == first
    np.testing.assert_array_equal(predict_store(model, data.valid)["rating"], once["rating"])


def test_a_slope_that_chance_explains_is_left(trained: MultiTaskModel, data: Data) -> None:
    model = scaled(trained, data, 1.0)
    slope = numpys_slope(predict_store(model, data.valid)["rating"], data)
    right = scaled(trained, data, slope)
    assert straighten(right, data.valid) == {}
    assert right.head("rating").get_buffer("slope") == 1.0


def test_few_rows_and_lines_downwards_are_not_believed(
    trained: MultiTaskModel, data: Data, tmp_path: Path
) -> None:
    few = make_data(tmp_path, TASKS, rows=400, valid_rows=90)
    assert straighten(scaled(trained, data, 0.1), few.valid) == {}
    assert straighten(scaled(trained, data, -1.0), data.valid) == {}


def test_other_losses_and_kinds_are_left(data: Data) -> None:
    absolute = replace(TASKS[1], loss="absolute")
    model = make_model(data, tasks=(TASKS[0], absolute))
    with torch.no_grad():
        model.tower_of("rating").last.weight.mul_(100.0)
    assert straighten(model, data.valid) == {}


def test_without_validation_rows_nothing_is_straightened(
    trained: MultiTaskModel, data: Data
) -> None:
    model = scaled(trained, data, 3.0)
    finish(model, data.train, None)
    assert model.head("rating").get_buffer("slope") == 1.0
    finish(model, data.train, data.valid)
    assert model.head("rating").get_buffer("slope") < 1.0
