"""Predictions of a whole store, slice by slice."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from tests.unit.makers import Data, make_data, make_log, make_model

from plait.training import evaluate_store, predict_store


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return make_data(tmp_path_factory.mktemp("data"))


def test_predictions_do_not_depend_on_how_many_rows_are_taken_at_once(data: Data) -> None:
    model = make_model(data).train()
    whole = predict_store(model, data.valid)
    for rows_at_once in (1, 7, 120):
        parts = predict_store(model, data.valid, rows_at_once=rows_at_once)
        for name, found in parts.items():
            np.testing.assert_allclose(found, whole[name], rtol=1e-5, atol=1e-6)
            assert found.dtype == np.float32
    assert model.training


def test_a_store_without_rows_gives_predictions_without_rows(tmp_path: Path) -> None:
    data = make_data(tmp_path, valid_frame=make_log(0, seed=1))
    model = make_model(data)
    found = predict_store(model, data.valid)
    assert {name: values.shape for name, values in found.items()} == {
        **dict.fromkeys(model.tasks, (0,)),
        "answer": (0, 3),
    }
    for metrics in evaluate_store(model, data.valid).tasks.values():
        assert all(math.isnan(value.value) for value in metrics.values())
