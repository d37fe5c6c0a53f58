"""Losses for purchases that come days after their click."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

from plait.data.batch import Batch
from plait.heads import Rows
from plait.models import MultiTaskModel
from plait.tasks import Task
from plait.training import Expected, Supervised


class DelayedFeedback(Supervised):
    """DFM: a purchase waits an exponential time.

    Chapelle, `Modeling Delayed Feedback in Display Advertising
    <https://doi.org/10.1145/2623330.2623634>`_, 2014.

    A click that was followed by one after d days counts `-log p - log λ + λ d`, another one that
    is e days old `-log(1 - p + p exp(-λ e))`; the parameter of the task `delay` is log λ.
    """

    def task_losses(
        self,
        model: MultiTaskModel,
        representations: Mapping[str, Tensor],
        batch: Batch,
        step: int = 0,
    ) -> dict[str, Tensor]:
        """One loss, of both."""
        told = model.decode_observed(representations, batch)
        logit, log_rate = (told[name].squeeze(-1) for name in ("purchase", "delay"))
        days, bought = batch.labels["delay"], batch.labels["purchase"]
        waited = log_rate.exp() * days
        yes = -logsigmoid(logit) - log_rate + waited
        # 1 - p + p exp(-λe) = (1 + exp(z - λe)) / (1 + exp(z))
        no = softplus(logit) - softplus(logit - waited)
        counts = batch.observed["purchase"]
        return {"purchase": torch.where(bought == 1, yes, no)[counts].mean()}


class FakeNegativeWeighted(Supervised):
    """FNW: duplicates weighed by the prediction.

    Ktena et al., `Addressing Delayed Feedback for Continuous Training
    <https://arxiv.org/abs/1907.06558>`_, 2019.
    """

    def row_losses(
        self,
        model: MultiTaskModel,
        task: Task,
        parameters: Tensor,
        batch: Batch,
        counted: Rows,
        step: int,
    ) -> Tensor:
        """`-y (1 + p) log p - (1 - y) (1 - p) (1 + p) log(1 - p)`, the weights held fixed."""
        logit, bought = parameters.squeeze(-1), batch.labels["purchase"]
        p = torch.sigmoid(logit).detach()
        yes, no = (1 + p) * logsigmoid(logit), (1 - p) * (1 + p) * logsigmoid(-logit)
        return -torch.where(bought == 1, yes, no)


class ElapsedTimeSampling(Supervised):
    """ES-DFM: late purchases weighed by learnt chances.

    Yang et al., `Capturing Delayed Feedback in Conversion Rate Prediction via Elapsed-Time Sampling
    <https://arxiv.org/abs/2012.03245>`_, 2021.

    Args:
        expected: as in `Supervised`.
        late: chance that a purchase comes after the first look, by row of the clicks.
        real_no: chance that a click without one at the first look never has one.
    """

    def __init__(self, expected: Mapping[str, Expected], *, late: Tensor, real_no: Tensor) -> None:
        super().__init__(expected)
        self.late, self.real_no = late, real_no

    def row_losses(
        self,
        model: MultiTaskModel,
        task: Task,
        parameters: Tensor,
        batch: Batch,
        counted: Rows,
        step: int,
    ) -> Tensor:
        """`-y (1 + late) log p - (1 - y) (1 + late) real_no log(1 - p)`."""
        logit, bought = parameters.squeeze(-1), batch.labels["purchase"]
        weight = 1 + self.late[batch.rows]
        no = self.real_no[batch.rows] * logsigmoid(-logit)
        return -weight * torch.where(bought == 1, logsigmoid(logit), no)
