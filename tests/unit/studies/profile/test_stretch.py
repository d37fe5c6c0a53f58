"""The measured steps are those of the trainer, and their parts add up."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.unit.makers import SMALL, Data, make_data, make_model, same_bits

from plait.balancing import UW, Balancer, BaseRate, FairGrad
from plait.data.batch import Batch
from plait.data.store import Store
from plait.errors import TrainingError
from plait.models import MultiTaskModel
from plait.studies.profile import stages
from plait.studies.profile.stages import STAGES
from plait.studies.profile.stretch import FEWEST_STEPS, MOST_STEPS, WARM_UP_STEPS, measure_steps
from plait.tasks import Binary, Regression
from plait.training import Callback, Expected, History, Losses, Supervised, Trainer, Training

SETTINGS = Training(batch_size=64, average=0.9, schedule="constant", epochs=1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    tasks = (Binary("click"), Regression("rating"))
    return make_data(tmp_path_factory.mktemp("data"), tasks)


@pytest.fixture
def model(data: Data) -> MultiTaskModel:
    return make_model(data, architecture=SMALL, dropout=0.1, unknown_rate=0.1)


def test_every_stage_is_charged_and_together_they_are_the_wall(
    data: Data, model: MultiTaskModel
) -> None:
    found = measure_steps(model, data.train, SETTINGS, seconds=0.1)
    assert list(found.seconds) == list(STAGES)
    assert all(seconds > 0 for seconds in found.seconds.values())
    assert sum(found.seconds.values()) + found.other == pytest.approx(found.wall)
    assert WARM_UP_STEPS[0] <= found.warm_up <= WARM_UP_STEPS[1]
    assert FEWEST_STEPS <= found.steps <= MOST_STEPS
    assert found.batch_size == 64
    # 240 rows are three full batches and one of 48.
    whole, rest = divmod(found.steps, 4)
    assert 240 * whole + 48 <= found.rows + 48 <= 240 * whole + 64 * rest + 48
    assert found.rows_per_second == found.rows / found.wall
    assert found.limit_share == found.rows_per_second / found.limit.rows_per_second


@pytest.mark.parametrize(
    ("rule", "batches"), [(BaseRate(), 1), (BaseRate(), 2), (UW(), 2), (FairGrad(), 1)]
)
def test_the_steps_are_those_of_the_trainer(
    data: Data, model: MultiTaskModel, rule: Balancer, batches: int
) -> None:
    settings = replace(SETTINGS, average=0.0, accumulate=batches)
    found = measure_steps(model, data.train, settings, seconds=1e-6, balancer=deepcopy(rule))
    assert (found.warm_up, found.steps) == (WARM_UP_STEPS[0], FEWEST_STEPS)
    plain = make_model(data, architecture=SMALL, dropout=0.1, unknown_rate=0.1)
    most = found.warm_up + found.steps
    settings = replace(settings, epochs=99, max_steps=most)
    Trainer(plain, settings, balancer=rule).fit(data.train)
    assert all(found.seconds[stage] > 0 for stage in ("loss", "backward", "step"))
    assert same_bits(model.state_dict(), plain.state_dict())


def test_a_stretch_ends_after_its_most_steps(data: Data, model: MultiTaskModel) -> None:
    settings = Training(batch_size=240, max_steps=2, evaluate_steps=1)
    found = measure_steps(model, data.train, settings, seconds=600.0)
    assert (found.warm_up, found.steps) == (WARM_UP_STEPS[1], MOST_STEPS)


def test_nothing_is_left_in_the_model_or_the_optimizers(data: Data, model: MultiTaskModel) -> None:
    owners = [owner for owner, _ in stages._OF_THE_STEP]
    before = [{**vars(owner)} for owner in owners]
    measure_steps(model, data.train, SETTINGS, seconds=1e-6)
    assert not {*STAGES} & {*vars(model)}
    assert [{**vars(owner)} for owner in owners] == before


def test_a_loss_that_is_never_finite_is_told(
    data: Data, model: MultiTaskModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(parameters: torch.Tensor, *others: object) -> torch.Tensor:
        return parameters.squeeze(-1) * torch.nan

    monkeypatch.setattr(model.head("rating"), "loss", broken)
    with pytest.raises(TrainingError, match="The loss of rating was not finite"):
        measure_steps(model, data.train, SETTINGS, seconds=1.0)
    assert not {*STAGES} & {*vars(model)}


def test_a_way_to_learn_is_measured_in_the_place_of_the_trainer(
    data: Data, model: MultiTaskModel
) -> None:
    class Slow(Supervised):
        """Looks at every batch twice."""

        def losses(self, model: MultiTaskModel, batch: Batch, step: int) -> Losses:
            super().losses(model, batch, step)
            return super().losses(model, batch, step)

    class Twice:
        """Would train two times; only the first is measured."""

        fits = 0

        def fit(
            self,
            model: MultiTaskModel,
            train: Store,
            valid: Store | None,
            *,
            settings: Training,
            balancer: Balancer | None,
            callbacks: Sequence[Callback],
        ) -> History:
            assert valid is None
            objective = Slow(dict.fromkeys(("click", "rating"), Expected(1.0)))
            self.fits += 1
            Trainer(
                model, settings, balancer=balancer, objective=objective, callbacks=callbacks
            ).fit(train)
            raise AssertionError

    method = Twice()
    found = measure_steps(model, data.train, SETTINGS, seconds=0.05, method=method)
    assert method.fits == 1
    assert all(seconds > 0 for seconds in found.seconds.values())


def test_nothing_is_written(
    data: Data, model: MultiTaskModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    measure_steps(model, data.train, SETTINGS, seconds=1e-6)
    assert not list(tmp_path.iterdir())
