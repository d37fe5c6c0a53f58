"""Teachers: calibration against scikit-learn, a shift that meets a prior, models built anew."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression, LogisticRegression
from tests.unit.makers import BINARY_TASKS, TASKS, make_data, make_model, same_bits
from torch.testing import assert_close

from plait.architectures import Chain, MMoE
from plait.heads import BinaryHead, RegressionHead, TargetFacts
from plait.methods.soft_columns import shifted
from plait.methods.teachers import Teachers, _fitted, aligned, calibrate, fresh_model
from plait.tasks import Binary, Regression


def test_temperature_and_bias_are_those_of_logistic_regression() -> None:
    rng = np.random.default_rng(0)
    logit = rng.normal(0, 2, 4_000)
    label = (rng.random(4_000) < 1 / (1 + np.exp(-(0.5 * logit - 0.7)))).astype(float)
    weight = rng.uniform(0.5, 2.0, 4_000)
    head = BinaryHead(Binary("like"))
    voices = torch.from_numpy(logit)[None, :, None]
    found = _fitted(head, voices, torch.from_numpy(label), torch.from_numpy(weight))
    model = LogisticRegression(C=np.inf, tol=1e-10).fit(logit[:, None], label, weight)
    assert 1 / found.temperature == pytest.approx(model.coef_[0, 0], abs=1e-3)
    assert found.bias[0] / found.temperature == pytest.approx(model.intercept_[0], abs=1e-3)
    assert head.base_rate.dtype == torch.float32


def test_a_number_is_calibrated_by_the_line_of_least_squares() -> None:
    rng = np.random.default_rng(1)
    said = rng.normal(0, 1, 500)
    label = 4 + 2 * (0.6 * said + 0.3 + rng.normal(0, 0.1, 500))
    head = RegressionHead(Regression("hours"))
    head.fit(TargetFacts(np.array([2.0, 6.0]), np.ones(2)))
    ones = torch.ones(500, dtype=torch.float64)
    found = _fitted(head, torch.from_numpy(said)[None, :, None], torch.from_numpy(label), ones)
    line = LinearRegression().fit(said[:, None], (label - 4) / 2)
    assert 1 / found.temperature == pytest.approx(line.coef_[0], abs=1e-4)
    assert found.bias[0] / found.temperature == pytest.approx(line.intercept_, abs=1e-4)


def test_an_ensemble_is_calibrated_as_one(tmp_path: Path) -> None:
    data = make_data(tmp_path, TASKS)
    tasks = ["click", "answer", "rating"]
    teachers = Teachers([make_model(data, seed=seed) for seed in range(2)])
    found = calibrate(teachers, data.valid, tasks)
    assert list(found) == tasks
    after = Teachers(teachers.models, calibrations=found)
    seen = torch.from_numpy(data.valid.observed("click").copy())
    labels = torch.from_numpy(data.valid.labels("click").copy())[seen]
    means = []
    for each in (teachers, after):
        belief = each.beliefs(data.valid, slice(0, data.valid.num_rows), ["click"])["click"]
        means.append(float(each.models[0].head("click").surprise(belief[seen], labels).mean()))
    assert means[1] < means[0]


def test_dropout_gives_different_voices_and_the_same_ones_again(tmp_path: Path) -> None:
    data = make_data(tmp_path, BINARY_TASKS)
    model = make_model(data, architecture=partial(MMoE, num_experts=2, layers=(8,), dropout=0.5))
    teachers = Teachers([model], draws=3)
    state = torch.get_rng_state()
    voices = teachers.voices(data.train, slice(0, 10), ["click"])["click"]
    assert voices.shape == (3, 10, 1)
    assert not torch.equal(voices[0], voices[1])
    assert torch.equal(voices, teachers.voices(data.train, slice(0, 10), ["click"])["click"])
    assert torch.equal(state, torch.get_rng_state())


def test_a_shift_meets_the_prior_and_keeps_the_order() -> None:
    soft = np.random.default_rng(0).uniform(0.0, 1.0, (500, 1)).astype(np.float32)
    moved = shifted(soft, aligned(soft, 0.02))
    assert moved.mean() == pytest.approx(0.02, rel=1e-5)
    assert (np.argsort(moved[:, 0]) == np.argsort(soft[:, 0])).all()
    sure = np.array([[0.0], [1.0], [0.5]], np.float32)
    assert shifted(sure, aligned(sure, 0.1)).mean() == pytest.approx(0.1, rel=1e-5)


def test_a_model_is_built_anew_from_its_own_seed(tmp_path: Path) -> None:
    data = make_data(tmp_path, BINARY_TASKS)
    links = [Chain(parent="click", child="like")]
    model = make_model(
        data, architecture=partial(MMoE, num_experts=2, layers=(8,)), links=links, dropout=0.3
    )
    one, again, other = (fresh_model(model, seed=seed) for seed in (1, 1, 2))
    assert same_bits(dict(one.state_dict()), dict(again.state_dict()))
    gate = "architecture.experts.layers.0.weight"
    name = gate if gate in one.state_dict() else next(n for n in one.state_dict() if "expert" in n)
    assert not torch.equal(one.state_dict()[name], other.state_dict()[name])
    assert one.dropout == 0.3
    assert one.outputs == model.outputs
    assert_close(one.head("like").base_rate, model.head("like").base_rate)
