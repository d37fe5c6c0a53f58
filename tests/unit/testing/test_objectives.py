"""The objective suite on plait's own objective, and on one that is wrong."""

from __future__ import annotations

import pytest
import torch

from plait.data.batch import Batch
from plait.models import MultiTaskModel
from plait.testing import ObjectiveContract
from plait.training import Expected, Losses, Objective, Supervised


class TestSupervised(ObjectiveContract):
    def make(self, model: MultiTaskModel) -> Objective:
        return Supervised(dict.fromkeys(model.tasks, Expected(1.0)), key_l2=0.1)


class Unmasked(Objective):
    """Reads labels that were never observed."""

    def losses(self, model: MultiTaskModel, batch: Batch, step: int) -> Losses:
        outputs = model(batch)
        return Losses(
            {name: (outputs[name][:, 0] - batch.labels[name]).square().mean() for name in outputs}
        )


class Unweighted(Objective):
    """Masks, but lets every observed row count the same."""

    def losses(self, model: MultiTaskModel, batch: Batch, step: int) -> Losses:
        outputs = model(batch)
        errors = {n: (outputs[n][:, 0] - batch.labels[n]).square() for n in outputs}
        return Losses({name: error[batch.observed[name]].mean() for name, error in errors.items()})


class _UnweightedSuite(ObjectiveContract):
    def make(self, model: MultiTaskModel) -> Objective:
        return Unweighted()


class _UnmaskedSuite(ObjectiveContract):
    def make(self, model: MultiTaskModel) -> Objective:
        return Unmasked()


@pytest.mark.parametrize(
    "name",
    [
        "test_a_task_without_an_observed_row_has_no_loss",
        "test_a_label_that_is_not_observed_changes_nothing",
    ],
)
def test_an_objective_that_ignores_masks_is_caught(name: str) -> None:
    with pytest.raises(AssertionError):
        getattr(_UnmaskedSuite(), name)()


def test_an_objective_that_ignores_weights_is_caught() -> None:
    with pytest.raises(AssertionError):
        _UnweightedSuite().test_rows_of_weight_zero_count_as_not_observed()


def test_the_suite_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    TestSupervised().test_it_gives_the_same_bits_twice()
    assert torch.equal(torch.get_rng_state(), before)
