"""A step made of several batches is the step of one batch that holds them all."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.unit.makers import Data, make_data, make_model, same_bits
from torch.testing import assert_close

from plait.architectures import MMoE
from plait.balancing import (
    FAMO,
    UW,
    Balancer,
    Equal,
    FairGrad,
    PCGrad,
    Rays,
    UPGrad,
)
from plait.data.batch import Batch
from plait.errors import ConfigurationError
from plait.methods import JointFeatures, SoftLabels
from plait.models import MultiTaskModel
from plait.tasks import Binary, Task
from plait.training import Callback, Losses, Objective, StepReport, Supervised, Trainer, Training
from plait.training.setup import expected_shares

TWO: tuple[Task, ...] = (
    Binary("click", normaliser="batch"),
    Binary("like", normaliser="batch"),
)
SETTINGS = Training(
    epochs=2, batch_size=20, accumulate=3, average=0.0, patience=99, key_l2=0.1, seed=3
)
RULES: dict[str, Balancer] = {
    "Equal": Equal(),
    "UW": UW(),
    "FAMO": FAMO(),
    "FairGrad": FairGrad(),
    "PCGrad, parameters": PCGrad(surface="parameters"),
    "Rays": Rays(rule=UPGrad(surface="encoded")),
}


class Seen(Callback):
    """Every step's report."""

    def __init__(self) -> None:
        self.reports: list[StepReport] = []

    def on_step(self, report: StepReport) -> None:
        self.reports.append(report)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return make_data(tmp_path_factory.mktemp("data"), TWO, rows=160, valid_rows=60)


def model_of(data: Data, *, dropout: float = 0.0, rays: bool = False) -> MultiTaskModel:
    structure = partial(MMoE, num_experts=2, layers=(8, 6), dropout=dropout)
    return make_model(data, architecture=structure, dropout=dropout, preference=rays)


def fit(
    data: Data,
    settings: Training,
    rule: Balancer,
    *,
    dropout: float = 0.0,
    callbacks: tuple[Callback, ...] = (),
    folder: Path | None = None,
) -> MultiTaskModel:
    model = model_of(data, dropout=dropout, rays=rule.draws_preferences)
    trainer = Trainer(model, settings, balancer=rule, callbacks=callbacks, folder=folder)
    trainer.fit(data.train, data.valid)
    return model


@pytest.mark.parametrize("name", RULES)
def test_three_batches_are_one_that_is_three_times_as_large(data: Data, name: str) -> None:
    parted, whole = Seen(), Seen()
    rule = RULES[name]
    one = fit(data, SETTINGS, rule, callbacks=(parted,))
    other = fit(data, replace(SETTINGS, batch_size=60, accumulate=1), rule, callbacks=(whole,))
    assert [report.rows for report in parted.reports] == [60, 60, 40] * 2
    for mine, theirs in zip(parted.reports, whole.reports, strict=True):
        assert mine.rows == theirs.rows
        assert mine.total_steps == theirs.total_steps == 6
        assert mine.losses == pytest.approx(theirs.losses, rel=1e-3)
        assert mine.weights == pytest.approx(theirs.weights, rel=1e-3, abs=1e-4)
    assert_close(dict(one.state_dict()), dict(other.state_dict()), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", RULES)
def test_a_resumed_run_has_the_bits_of_one_that_never_stopped(
    data: Data, name: str, tmp_path: Path
) -> None:
    class KillError(Exception):
        pass

    class Killer(Callback):
        def on_step(self, report: StepReport) -> None:
            if report.step == 4:
                raise KillError

    settings = replace(SETTINGS, checkpoint_seconds=0.0)
    rule = RULES[name]
    straight = fit(data, settings, rule, dropout=0.3)
    with pytest.raises(KillError):
        fit(data, settings, rule, dropout=0.3, callbacks=(Killer(),), folder=tmp_path)
    resumed = fit(data, settings, rule, dropout=0.3, folder=tmp_path)
    assert same_bits(dict(resumed.state_dict()), dict(straight.state_dict()))


class Drawn(Objective):
    """Supervised losses; which rows of dropout each look drew."""

    def __init__(self, supervised: Supervised) -> None:
        self.supervised = supervised
        self.looks: list[tuple[int, float]] = []

    def losses(self, model: MultiTaskModel, batch: Batch, step: int) -> Losses:
        found = self.supervised.losses(model, batch, step)
        self.looks.append((int(batch.rows[0]), float(found.tasks["click"].detach())))
        return found


@pytest.mark.parametrize(("name", "times"), [("Equal", 1), ("UW", 2), ("FairGrad", 2), ("FAMO", 3)])
def test_each_batch_is_run_with_its_own_draws_as_often_as_the_rule_looks(
    data: Data, name: str, times: int
) -> None:
    model = model_of(data, dropout=0.5)
    objective = Drawn(Supervised(expected_shares(model, data.train)))
    still = replace(SETTINGS, max_steps=1, learning_rate=0.0, table_learning_rate=0.0)
    Trainer(model, still, balancer=RULES[name], objective=objective).fit(data.train)
    assert len(objective.looks) == 3 * times
    first = objective.looks[:3]
    assert len({loss for _, loss in first}) == 3
    for begin in range(0, 3 * times, 3):
        for mine, theirs in zip(first, objective.looks[begin : begin + 3], strict=True):
            assert mine[0] == theirs[0]
            assert mine[1] == pytest.approx(theirs[1], rel=1e-6)


def test_a_loss_that_is_no_number_leaves_its_batch_out_and_no_other(data: Data) -> None:
    class Broken(Objective):
        def __init__(self, supervised: Supervised) -> None:
            self.supervised, self.calls = supervised, 0

        def losses(self, model: MultiTaskModel, batch: Batch, step: int) -> Losses:
            found = self.supervised.losses(model, batch, step)
            self.calls += 1
            if self.calls in (1, 4):  # the first batch, in both looks
                tasks = {**found.tasks, "click": found.tasks["click"] * math.nan}
                return found._replace(tasks=tasks)
            return found

    model = model_of(data)
    objective = Broken(Supervised(expected_shares(model, data.train)))
    trainer = Trainer(
        model, replace(SETTINGS, max_steps=1), balancer=FairGrad(), objective=objective
    )
    history = trainer.fit(data.train)
    assert history.skipped == {"click": 1}
    assert all(bool(p.isfinite().all()) for p in model.parameters())


def test_max_steps_counts_steps_and_evaluations_too(data: Data) -> None:
    seen = Seen()
    settings = replace(SETTINGS, max_steps=4, evaluate_steps=2)
    model = model_of(data)
    history = Trainer(model, settings, callbacks=[seen]).fit(data.train, data.valid)
    assert [report.step for report in seen.reports] == [1, 2, 3, 4]
    assert [report.step for report in history.evaluations] == [2, 4]


@pytest.mark.parametrize("method", [JointFeatures(min_positives=0), SoftLabels(members=2)])
def test_ways_to_learn_accumulate_too(data: Data, method: Any) -> None:  # noqa: ANN401
    model = model_of(data)
    settings = replace(SETTINGS, max_steps=3)
    method.fit(model, data.train, data.valid, settings=settings, balancer=UW())
    assert all(bool(torch.isfinite(p).all()) for p in model.parameters())


def test_a_number_of_batches_below_one_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"`accumulate` must be at least 1, got 0"):
        Training(accumulate=0)
