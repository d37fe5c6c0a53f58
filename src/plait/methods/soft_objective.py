"""The losses of soft-label learning: recorded labels and what an estimator believes of them."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from plait.data.batch import Batch
from plait.heads import Rows, SoftHead
from plait.models import MultiTaskModel
from plait.tasks import Task
from plait.training import Expected, NoisyRates, Supervised

from .noise import as_classes, from_classes, posterior
from .noise import transition as transition_of
from .soft_columns import SoftColumns

__all__ = ["Mode", "Schedule", "SoftObjective"]

Mode = Literal["bootstrap", "smooth", "bayes", "forward"]
MODES: tuple[Mode, ...] = ("bootstrap", "smooth", "bayes", "forward")


@dataclass(frozen=True)
class Schedule:
    """How strongly soft labels count, step by step.

    Attributes:
        epsilon: share ε of a recorded label's weight that its soft label takes.
        last_epsilon: what ε falls to, in a line, by the last step. None: it stays.
        unlabelled: weight β of the rows without the label.
        ramp: step at which both have reached their full weight: ε in a line from 0, β as
            `exp(-5 (1 - t)²)`.
        steps: steps of the whole run.
    """

    epsilon: float
    unlabelled: float
    ramp: int
    steps: int
    last_epsilon: float | None = None

    def epsilon_at(self, step: int) -> float:
        """ε at a step."""
        if step < self.ramp:
            return self.epsilon * step / self.ramp
        if self.last_epsilon is None:
            return self.epsilon
        passed = min(1.0, (step - self.ramp) / max(1, self.steps - self.ramp))
        return self.epsilon + (self.last_epsilon - self.epsilon) * passed

    def unlabelled_at(self, step: int) -> float:
        """β at a step."""
        if step >= self.ramp:
            return self.unlabelled
        return self.unlabelled * math.exp(-5.0 * (1.0 - step / self.ramp) ** 2)


class SoftObjective(Supervised):
    """Each task's loss on recorded and on soft labels.

        Σ_labelled ω [(1 - ε) L(ỹ) + ε L(q)] / Σ ω  +  β Σ_unlabelled L(p̄) / n

    On labelled rows q is the estimator's belief (`bootstrap`), the base rate (`smooth`), or the
    belief once the recorded label and its noise are known (`bayes`, with ε = 1). `forward` has no
    soft target there: it compares the recorded label with what the noise makes of the prediction.
    Without soft labels and with ε = 0 the losses have the bits of `Supervised`.

    Stability: experimental.

    Args:
        expected: as in `Supervised`.
        key_l2: as in `Supervised`.
        soft: the estimator's beliefs, of the true labels where they are noisy.
        tasks: the tasks that take part; others learn from their labels alone.
        mode: what is done on labelled rows.
        schedule: ε and β.
        noise: rates by task, for `bayes` and `forward`.
        companions: rows without any label behind each row of a batch.
    """

    def __init__(
        self,
        expected: Mapping[str, Expected],
        *,
        soft: SoftColumns,
        tasks: Collection[str],
        mode: Mode,
        schedule: Schedule,
        noise: Mapping[str, NoisyRates] | None = None,
        key_l2: float = 0.0,
        companions: float = 0.0,
    ) -> None:
        super().__init__(expected, key_l2=key_l2)
        self.soft = soft
        self.tasks = tuple(tasks)
        self.mode = mode
        self.schedule = schedule
        self.noise = dict(noise or {})
        self.companions = companions

    def task_loss(
        self, model: MultiTaskModel, task: Task, parameters: Tensor, batch: Batch, step: int
    ) -> Tensor | None:
        """The loss of one task: on its labelled rows, and on those without the label."""
        labelled = super().task_loss(model, task, parameters, batch, step)
        weight = self.schedule.unlabelled_at(step)
        if task.name not in self.tasks or task.name not in self.soft.columns or weight == 0:
            return labelled
        rows = torch.nonzero(~batch.observed[task.name]).flatten()
        if not len(rows):
            return labelled
        head = _soft(model, task)
        soft = self.soft.of(task.name, batch.rows[rows])
        unlabelled = head.soft_loss(parameters[rows], soft).mean() * weight * self.relative(task)
        return unlabelled if labelled is None else labelled + unlabelled

    def row_losses(
        self,
        model: MultiTaskModel,
        task: Task,
        parameters: Tensor,
        batch: Batch,
        counted: Rows,
        step: int,
    ) -> Tensor:
        """The loss of each labelled row, `[B]`."""
        recorded = super().row_losses(model, task, parameters, batch, counted, step)
        if task.name not in self.tasks:
            return recorded
        head, label = _soft(model, task), batch.labels[task.name]
        if self.mode == "forward":
            return _forward(head, parameters, label, self._rates(task.name, head, batch))
        epsilon = 1.0 if self.mode == "bayes" else self.schedule.epsilon_at(step)
        if epsilon == 0:
            return recorded
        soft = head.soft_loss(parameters, self._target(task.name, head, batch))
        return soft if epsilon == 1 else recorded * (1 - epsilon) + soft * epsilon

    def rows_in(self, batch: Batch) -> int:
        """The rows that have a label of some task."""
        if not self.companions:
            return len(batch)
        labelled = [batch.observed[t] & (batch.weights[t] > 0) for t in batch.observed]
        return int(torch.stack(labelled).any(dim=0).sum())

    def _target(self, task: str, head: SoftHead, batch: Batch) -> Tensor:
        """The soft target of labelled rows, `[B, S]`."""
        if self.mode == "smooth":
            parameters = head.initial_bias().expand(len(batch), -1)
            return head.soften(parameters, temperature=1.0, bias=torch.zeros_like(parameters[0]))
        belief = self.soft.of(task, batch.rows)
        if self.mode == "bootstrap":
            return belief
        rates = self._rates(task, head, batch)
        known = posterior(as_classes(belief), rates, batch.labels[task].long())
        return from_classes(known, width=head.soft_width)

    def _rates(self, task: str, head: SoftHead, batch: Batch) -> Tensor:
        missed, false = self.noise[task].of(batch.rows)
        return transition_of(missed, false, num_classes=max(2, head.soft_width))


def _forward(head: SoftHead, parameters: Tensor, label: Tensor, rates: Tensor) -> Tensor:
    """Cross-entropy of the recorded label under the noisy prediction, in log space; `[B]`.

    Patrini et al., `Making Deep Neural Networks Robust to Label Noise
    <https://arxiv.org/abs/1609.03683>`_, 2017.
    """
    if head.soft_width == 1:
        logit = parameters.squeeze(-1)
        logs = torch.stack([-logit, logit], dim=1)
        log_truth = torch.nn.functional.logsigmoid(logs)  # [B, 2]
    else:
        log_truth = torch.log_softmax(parameters, dim=-1)
    said = rates.gather(2, label.long()[:, None, None].expand(-1, rates.shape[1], 1)).squeeze(2)
    return -torch.logsumexp(log_truth + torch.log(said), dim=1)


def _soft(model: MultiTaskModel, task: Task) -> SoftHead:
    head = model.head(task.name)
    assert isinstance(head, SoftHead)
    return head
