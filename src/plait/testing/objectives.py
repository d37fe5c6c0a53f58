"""What every objective must do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace

import torch
from torch import Tensor
from torch.testing import assert_close

from plait.data.batch import Batch
from plait.models import MultiTaskModel
from plait.training import Losses, Objective

from .examples import small_batch, small_model


class ObjectiveContract(ABC):
    """Named scalar losses, missing labels, weights, gradients, and the same answer twice.

    Stability: experimental.
    """

    @abstractmethod
    def make(self, model: MultiTaskModel) -> Objective:
        """The objective, for this model."""

    def model(self) -> MultiTaskModel:
        """The model; override where the objective needs another."""
        return small_model()

    def batch(self) -> Batch:
        """Rows for the model; override where the objective needs others."""
        return small_batch()

    def test_losses_are_finite_scalars_of_the_models_tasks(self) -> None:
        """Each loss has the name of a task and one finite value."""
        model = self.model()
        losses = self._losses(model, self.batch())
        assert losses.tasks
        assert set(losses.tasks) <= set(model.tasks)
        for name, loss in _terms(losses).items():
            assert loss.shape == (), name
            assert loss.isfinite(), name

    def test_gradients_reach_the_shared_network_and_are_finite(self) -> None:
        """Every loss moves the shared network."""
        for name in self._losses(self.model(), self.batch()).tasks:
            model = self.model()
            self._losses(model, self.batch()).tasks[name].backward()
            moved = [p.grad for p in model.architecture.parameters() if p.grad is not None]
            assert moved, name
            assert all(gradient.isfinite().all() for gradient in moved), name

    def test_a_task_without_an_observed_row_has_no_loss(self) -> None:
        """It is left out: not zero, not nan."""
        model, batch = self.model(), self.batch()
        absent = next(iter(model.tasks))
        observed = {**batch.observed, absent: torch.zeros_like(batch.observed[absent])}
        assert absent not in self._losses(model, replace(batch, observed=observed)).tasks

    def test_a_label_that_is_not_observed_changes_nothing(self) -> None:
        """Whatever stands where nothing was observed."""
        model, batch = self.model(), self.batch()
        plain = _terms(self._losses(model, batch))
        labels = {
            name: torch.where(batch.observed[name], label, 1.0 - label)
            for name, label in batch.labels.items()
        }
        changed = _terms(self._losses(model, replace(batch, labels=labels)))
        for name, loss in plain.items():
            assert torch.equal(changed[name], loss), name

    def test_rows_of_weight_zero_count_as_not_observed(self) -> None:
        """Weight 0 and a missing label are the same thing."""
        model, batch = self.model(), self.batch()
        name = next(iter(model.tasks))
        out = torch.arange(len(batch)) % 3 == 0
        weights = {**batch.weights, name: batch.weights[name].masked_fill(out, 0.0)}
        observed = {**batch.observed, name: batch.observed[name] & ~out}
        weighted = self._losses(model, replace(batch, weights=weights)).tasks[name]
        masked = self._losses(model, replace(batch, observed=observed)).tasks[name]
        assert_close(weighted, masked)

    def test_it_gives_the_same_bits_twice(self) -> None:
        """Nothing but the model, the batch and the step decides."""
        model, batch = self.model(), self.batch()
        first, second = (_terms(self._losses(model, batch)) for _ in range(2))
        for name, loss in first.items():
            assert torch.equal(second[name], loss), name

    def _losses(self, model: MultiTaskModel, batch: Batch) -> Losses:
        return self.make(model).losses(model, batch, 0)


def _terms(losses: Losses) -> dict[str, Tensor]:
    return losses.tasks if losses.penalty is None else {**losses.tasks, "": losses.penalty}
