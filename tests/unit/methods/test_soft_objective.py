"""The losses of soft-label learning, against arithmetic by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.unit.makers import BINARY_TASKS, TASKS, Data, make_data, make_model, same_bits
from torch import Tensor
from torch.nn import functional
from torch.testing import assert_close

from plait.data.batch import Batch
from plait.methods import SoftObjective
from plait.methods.soft_columns import SoftColumns, write_soft_columns
from plait.methods.soft_objective import Mode, Schedule
from plait.models import MultiTaskModel
from plait.training import Expected, NoisyRates, Supervised

FULL = Schedule(epsilon=0.3, unlabelled=0.5, ramp=0, steps=10)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return make_data(tmp_path_factory.mktemp("soft"), BINARY_TASKS)


def _soft(data: Data, *, seed: int = 0) -> SoftColumns:
    rng = np.random.default_rng(seed)
    size = (data.train.num_rows, 1)
    return SoftColumns({t.name: rng.random(size).astype(np.float32) for t in data.tasks})


def _objective(
    data: Data,
    *,
    mode: Mode = "bootstrap",
    schedule: Schedule = FULL,
    noise: Mapping[str, NoisyRates] | None = None,
    soft: SoftColumns | None = None,
) -> SoftObjective:
    return SoftObjective(
        {"click": Expected(1.0), "like": Expected(1.0)},
        soft=_soft(data) if soft is None else soft,
        tasks=("click", "like"),
        mode=mode,
        schedule=schedule,
        noise=noise,
    )


def _parts(model: MultiTaskModel, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Logits, labels, rows with the label, rows without it, of the task `like`."""
    with torch.no_grad():
        logit = model(batch)["like"].squeeze(1)
    seen = batch.observed["like"]
    return logit, batch.labels["like"], seen, ~seen


def test_labelled_and_unlabelled_rows_by_hand(data: Data) -> None:
    model, batch = make_model(data), data.train.batch(slice(5, 45))
    found = _objective(data).losses(model, batch, 3).tasks["like"]
    logit, label, seen, without = _parts(model, batch)
    soft = torch.from_numpy(_soft(data).columns["like"][5:45, 0])
    cross = functional.binary_cross_entropy_with_logits
    labelled = 0.7 * cross(logit[seen], label[seen]) + 0.3 * cross(logit[seen], soft[seen])
    unlabelled = cross(logit[without], soft[without])
    assert_close(found, labelled + 0.5 * unlabelled)


def test_smooth_takes_the_base_rate(data: Data) -> None:
    model, batch = make_model(data), data.train.batch(slice(0, 40))
    found = _objective(data, mode="smooth", schedule=replace(FULL, unlabelled=0.0))
    logit, label, seen, _ = _parts(model, batch)
    rate = torch.full_like(label, float(model.head("like").base_rate))
    cross = functional.binary_cross_entropy_with_logits
    expected = 0.7 * cross(logit[seen], label[seen]) + 0.3 * cross(logit[seen], rate[seen])
    assert_close(found.losses(model, batch, 0).tasks["like"], expected)


def test_forward_compares_the_label_with_the_noisy_prediction(data: Data) -> None:
    model, batch = make_model(data), data.train.batch(slice(0, 40))
    noise = {name: NoisyRates(0.2, 0.1) for name in ("click", "like")}
    objective = _objective(
        data, mode="forward", noise=noise, schedule=replace(FULL, unlabelled=0.0)
    )
    logit, label, seen, _ = _parts(model, batch)
    p = torch.sigmoid(logit.double())
    noisy = 0.8 * p + 0.1 * (1 - p)
    rows = -(label * noisy.log() + (1 - label) * (1 - noisy).log())
    found = objective.losses(model, batch, 0).tasks["like"]
    assert_close(found.double(), rows[seen].mean(), rtol=1e-6, atol=1e-6)


def test_forward_is_finite_where_a_prediction_is_sure_of_the_wrong_label(data: Data) -> None:
    model, batch = make_model(data), data.train.batch(slice(0, 40))
    with torch.no_grad():
        model.tower_of("like").last.bias.fill_(200.0)
    noise = {name: NoisyRates(0.0, 0.0) for name in ("click", "like")}
    found = _objective(data, mode="forward", noise=noise).losses(model, batch, 0)
    found.tasks["like"].backward()
    assert found.tasks["like"].isfinite()
    bias = model.tower_of("like").last.bias.grad
    assert bias is not None
    assert bias.isfinite().all()


def test_bayes_asks_what_the_truth_is_once_the_label_is_known(data: Data) -> None:
    model, batch = make_model(data), data.train.batch(slice(0, 40))
    noise = {name: NoisyRates(0.2, 0.1) for name in ("click", "like")}
    objective = _objective(data, mode="bayes", noise=noise, schedule=replace(FULL, unlabelled=0.0))
    logit, label, seen, _ = _parts(model, batch)
    p = torch.from_numpy(_soft(data).columns["like"][:40, 0])
    yes, no = 0.8 * p / (0.8 * p + 0.1 * (1 - p)), 0.2 * p / (0.2 * p + 0.9 * (1 - p))
    target = torch.where(label == 1, yes, no)
    expected = functional.binary_cross_entropy_with_logits(logit[seen], target[seen])
    assert_close(objective.losses(model, batch, 0).tasks["like"], expected)


def test_without_soft_labels_and_epsilon_the_bits_are_those_of_supervised(data: Data) -> None:
    model, batch = make_model(data), data.train.batch(slice(0, 40))
    nothing = _objective(data, schedule=replace(FULL, epsilon=0.0, unlabelled=0.0))
    plain = (
        Supervised({"click": Expected(1.0), "like": Expected(1.0)}).losses(model, batch, 0).tasks
    )
    assert same_bits(nothing.losses(model, batch, 0).tasks, plain)


def test_a_batch_without_a_label_of_the_task_still_learns_from_soft_ones(data: Data) -> None:
    model = make_model(data)
    rows = np.flatnonzero(~data.train.observed("like"))[:20]
    batch = data.train.batch(rows)
    found = _objective(data).losses(model, batch, 0).tasks
    with torch.no_grad():
        logit = model(batch)["like"].squeeze(1)
    soft = torch.from_numpy(_soft(data).columns["like"][rows, 0])
    assert_close(found["like"], 0.5 * functional.binary_cross_entropy_with_logits(logit, soft))


def test_tasks_that_take_no_part_learn_from_their_labels(tmp_path: Path) -> None:
    data = make_data(tmp_path, TASKS)
    model, batch = make_model(data), data.train.batch(slice(0, 40))
    expected = dict.fromkeys(model.tasks, Expected(1.0))
    objective = SoftObjective(
        expected, soft=_soft(data), tasks=("click",), mode="bootstrap", schedule=FULL
    )
    plain = Supervised(expected).losses(model, batch, 0).tasks
    found = objective.losses(model, batch, 0).tasks
    assert found.keys() == plain.keys()
    others = [name for name in plain if name != "click"]
    assert same_bits({n: found[n] for n in others}, {n: plain[n] for n in others})
    assert found["click"] != plain["click"]


def test_the_schedule_by_hand() -> None:
    schedule = Schedule(epsilon=0.4, unlabelled=2.0, ramp=10, steps=30, last_epsilon=0.1)
    assert [schedule.epsilon_at(step) for step in (0, 5, 10, 20, 30, 99)] == pytest.approx(
        [0.0, 0.2, 0.4, 0.25, 0.1, 0.1]
    )
    assert schedule.unlabelled_at(0) == pytest.approx(2 * math.exp(-5))
    assert schedule.unlabelled_at(5) == pytest.approx(2 * math.exp(-5 / 4))
    assert schedule.unlabelled_at(10) == schedule.unlabelled_at(50) == 2.0
    assert Schedule(epsilon=0.4, unlabelled=1.0, ramp=0, steps=5).epsilon_at(0) == 0.4


def test_columns_come_back_from_disk(tmp_path: Path) -> None:
    parts = [
        {"a": np.array([[0.1], [0.2]], np.float32), "b": np.eye(2, 3, dtype=np.float32)},
        {"a": np.array([[0.3]], np.float32), "b": np.ones((1, 3), np.float32)},
    ]
    assert SoftColumns.read(tmp_path / "soft") is None
    written = write_soft_columns(tmp_path / "soft", parts)
    again = SoftColumns.read(tmp_path / "soft")
    assert again is not None
    rows = torch.tensor([2, 0])
    for columns in (written, again):
        assert_close(columns.of("a", rows), torch.tensor([[0.3], [0.1]]))
        assert_close(columns.of("b", rows), torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]]))
    assert [path.name for path in (tmp_path / "soft").iterdir()] == ["soft_labels.arrow"]
