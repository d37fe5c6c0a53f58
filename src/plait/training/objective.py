"""What is minimised: the one place where a way of learning enters the trainer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from plait.data.batch import Batch
from plait.heads import Rows
from plait.models import Fields, MultiTaskModel, Trace, rows_of
from plait.tasks import Task


class Losses(NamedTuple):
    """What an objective gives for one batch.

    Attributes:
        tasks: scalar by task; a task without an observed row in the batch has no entry.
        penalty: scalar that no balancer weighs, or None.
        trace: the tensors between the stages, for gradient rules that cut there.
    """

    tasks: dict[str, Tensor]
    penalty: Tensor | None = None
    trace: Trace | None = None


class Expected(NamedTuple):
    """The labels of a task in the training rows.

    Attributes:
        weight: of observed rows that a row of a batch brings on average.
        relative: observed rows beside those of the task that has most; 1 for that task.
    """

    weight: float
    relative: float = 1.0


class Objective(ABC):
    """What is minimised. `Supervised` is the ordinary one.

    Stability: experimental.

    Attributes:
        rows: what an epoch goes through: the `labelled` rows, on which some task has a label that
            counts, or `all`.
        companions: how many rows without any label stand behind each labelled row of a batch.
    """

    rows: Literal["labelled", "all"] = "labelled"
    companions: float = 0.0

    @abstractmethod
    def losses(self, model: MultiTaskModel, batch: Batch, step: int) -> Losses:
        """The losses of one batch."""


class Supervised(Objective):
    """Each task's loss over its observed rows, and a penalty on the users' and items' vectors.

    The penalty is half the squared norm of the *looked-up* rows of key tables, those of the product
    of user and item among them, averaged over the batch: a row that is used more is held back more,
    and rows that are not touched cost nothing.

    A row of weight 0 is as if its label were missing. A task's loss is its mean over observed rows
    times how many it has beside the task with most, so that a row counts alike in all tasks and a
    survey that few answered does not pull the shared network as hard as the clicks of all rows;
    tasks whose `normaliser` is not `auto` say otherwise.

    Args:
        expected: what the training rows hold of each task.
        key_l2: factor of the penalty.
    """

    def __init__(self, expected: Mapping[str, Expected], *, key_l2: float = 0.0) -> None:
        self.expected = dict(expected)
        self.key_l2 = key_l2

    def losses(self, model: MultiTaskModel, batch: Batch, step: int) -> Losses:
        """Each task's masked, weighted loss, and the penalty."""
        trace = model.trace(batch)
        found = self.task_losses(model, trace.representations, batch, step)
        return Losses(found, self.penalty(model, trace.fields), trace)

    def task_losses(
        self,
        model: MultiTaskModel,
        representations: Mapping[str, Tensor],
        batch: Batch,
        step: int = 0,
    ) -> dict[str, Tensor]:
        """Each task's masked, weighted loss with those of links, from what the network gave."""
        parameters = model.decode_observed(representations, batch)
        found: dict[str, Tensor] = {}
        for name, task in model.tasks.items():
            loss = self.task_loss(model, task, parameters[name], batch, step)
            if loss is not None:
                found[name] = loss
        return model.link_losses(found, parameters, representations, batch)

    def penalty(self, model: MultiTaskModel, fields: Fields) -> Tensor | None:
        """The penalty on the vectors that were looked up; None where there is none."""
        vectors = model.key_vectors(fields) if self.key_l2 > 0 else []
        if not vectors:
            return None
        # Side by side, since each operation takes as long as what it does on one narrow vector.
        side_by_side = torch.cat(vectors, dim=1)
        return side_by_side.square().sum() * (0.5 * self.key_l2 / len(side_by_side))

    def task_loss(
        self, model: MultiTaskModel, task: Task, parameters: Tensor, batch: Batch, step: int
    ) -> Tensor | None:
        """The loss of one task over its observed rows; None where there are none."""
        weight = batch.weights[task.name] * batch.observed[task.name]  # [B]
        total = weight.sum()
        if not total > 0:
            return None
        counted = rows_of(batch, task.name)._replace(observed=weight > 0)
        rows = self.row_losses(model, task, parameters, batch, counted, step)
        summed = (rows * weight).sum()
        return summed / self._normaliser(task, total, self.rows_in(batch))

    def row_losses(
        self,
        model: MultiTaskModel,
        task: Task,
        parameters: Tensor,
        batch: Batch,
        counted: Rows,
        step: int,
    ) -> Tensor:
        """The loss of each row `[B]`; those that do not count are left out by their weight."""
        return model.head(task.name).loss(parameters, batch.labels[task.name], counted)

    def rows_in(self, batch: Batch) -> int:
        """How many rows of a batch an epoch goes through: all but companions."""
        return len(batch)

    def _normaliser(self, task: Task, total: Tensor, rows: int) -> Tensor | float:
        expected = max(self.expected[task.name].weight * rows, 1e-12)
        if task.normaliser == "batch":
            return float(rows)
        if task.normaliser == "auto":
            mean = expected if expected < FEW_ROWS else total
            return mean / self.relative(task)
        return total if task.normaliser == "observed" else expected

    def relative(self, task: Task) -> float:
        """What the mean loss of a task is multiplied by."""
        return max(self.expected[task.name].relative, 1e-12) if task.normaliser == "auto" else 1.0


FEW_ROWS = 32
"""Below this many observed rows to be expected in a batch, `auto` divides by the expectation."""
