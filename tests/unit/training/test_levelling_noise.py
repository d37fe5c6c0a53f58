"""Base rates where labels are wrong at known rates."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.unit.makers import BINARY_TASKS, make_data, make_model

from plait.training import NoisyRates
from plait.training.levelling import level_base_rates
from plait.training.prediction import predict_store


@pytest.mark.parametrize("by_row", [False, True])
def test_the_mean_is_that_of_the_true_labels(tmp_path: Path, *, by_row: bool) -> None:
    data = make_data(tmp_path, [replace(BINARY_TASKS[0], weight="days"), BINARY_TASKS[1]])
    model = make_model(data)
    rows = data.train.num_rows
    missed = np.random.default_rng(0).uniform(0.0, 0.4, rows).astype(np.float32)
    rates = NoisyRates(missed if by_row else 0.2, 0.1)
    level_base_rates(model, data.train, noise={"click": rates})
    predicted = predict_store(model, data.train)
    false, lost = 0.1, missed if by_row else np.float32(0.2)
    weight, label = data.train.weights("click"), data.train.labels("click")
    noisy = false + (1 - false - lost) * predicted["click"]
    assert np.average(noisy, weights=weight) == pytest.approx(
        np.average(label, weights=weight), abs=1e-5
    )
    seen = data.train.observed("like")
    assert predicted["like"][seen].mean() == pytest.approx(
        data.train.labels("like")[seen].mean(), abs=1e-5
    )
    assert torch.isfinite(torch.from_numpy(predicted["click"])).all()
