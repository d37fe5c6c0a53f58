"""The losses of joint feature learning: those of the tasks, with gradients that are held back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from plait.data.batch import Batch
from plait.models import Fields, MultiTaskModel
from plait.tasks import Binary
from plait.training import Losses, Objective, Supervised

from .penalty import Penalty, Step
from .replaying import Draws, with_parameters

__all__ = ["JointFeatureObjective", "shared_parameters"]


class JointFeatureObjective(Objective):
    """`Σ L + λR + H`, as losses that any balancer may weigh.

    Stability: experimental.

    A loss that it gives has the value of the task's own loss, for logs and for rules that read
    losses, and the gradient of that loss *and* its part of the penalty. That gradient reaches the
    shared network by more than one road, so there is no `trace` to cut at while λ is above 0. A
    step draws the random numbers of a supervised one, whatever λ.

    Args:
        supervised: the losses without a penalty.
        penalty: R, with its λ.
        min_positives: a binary task with fewer in a batch is left out of R there.
        dense_l2: factor of half the squared norm of the dense shared parameters.
        row_l2: factor of half the squared norm of all looked-up vectors, a row on average.
    """

    def __init__(
        self,
        supervised: Supervised,
        penalty: Penalty,
        *,
        min_positives: int = 10,
        dense_l2: float = 0.0,
        row_l2: float = 0.0,
    ) -> None:
        self.supervised = supervised
        self.rows = supervised.rows
        self.companions = supervised.companions
        self.penalty = penalty
        self.min_positives = min_positives
        self.dense_l2 = dense_l2
        self.row_l2 = row_l2

    def losses(self, model: MultiTaskModel, batch: Batch, step: int) -> Losses:
        """Each task's loss with its part of the penalty; H where it is asked for."""
        if self.penalty.factor == 0 or not torch.is_grad_enabled():
            found = self.supervised.losses(model, batch, step)
            assert found.trace is not None
            held = self._held(found.penalty, model, found.trace.fields, rows=len(batch))
            return found._replace(penalty=held)
        fields = model.lookup(batch)
        draws = Draws(batch.ids.device)
        representations = _read(model, fields)
        losses = self.supervised.task_losses(model, representations, batch, step)
        part = self._taking_part(model, batch, losses)
        if part:
            seen = Step(
                number=step,
                losses={task: losses[task] for task in part},
                representations=representations,
                width=model.architecture.out_features,
                rows=part,
                parameters=shared_parameters(model),
                again=partial(self._again, model, batch, fields, draws, step),
            )
            for task, penalised in self.penalty.penalised(seen).items():
                losses[task] = _valued(losses[task], gradient_of=penalised)
        held = self._held(self.supervised.penalty(model, fields), model, fields, rows=len(batch))
        return Losses(losses, held)

    def _again(
        self,
        model: MultiTaskModel,
        batch: Batch,
        fields: Fields,
        draws: Draws,
        step: int,
        parameters: Mapping[str, Tensor],
    ) -> Mapping[str, Tensor]:
        """The losses from the same vectors, with the same random numbers and other parameters."""

        def losses() -> Mapping[str, Tensor]:
            return self.supervised.task_losses(model, _read(model, fields), batch, step)

        with draws.again():
            return with_parameters(model, parameters, losses)

    def _taking_part(
        self, model: MultiTaskModel, batch: Batch, losses: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """The rows that count `[B]` of each task that takes part in the penalty."""
        found = {}
        for name, loss in losses.items():
            rows = batch.observed[name] & (batch.weights[name] > 0)
            enough = True
            if isinstance(model.tasks[name], Binary):
                positives = int(((batch.labels[name] > 0) & rows).sum())
                enough = positives >= self.min_positives
            if enough and bool(loss.isfinite()):
                found[name] = rows
        return found

    def _held(
        self, penalty: Tensor | None, model: MultiTaskModel, fields: Fields, *, rows: int
    ) -> Tensor | None:
        """The penalty with H added to it."""
        terms = [] if penalty is None else [penalty]
        if self.dense_l2 > 0:
            terms += _half_squares(shared_parameters(model).values(), self.dense_l2)
        if self.row_l2 > 0:
            found = [
                vectors
                for each in (fields, *fields.own.values())
                for vectors in (*each.vectors.values(), *(e.values for e in each.lists.values()))
            ]
            if fields.short is not None:
                found.append(fields.short.of_rows())
            # Numbers and given vectors stand beside what was looked up, but have no gradient.
            looked_up = [vectors for vectors in found if vectors.requires_grad]
            terms += _half_squares(looked_up, self.row_l2 / rows)
        return torch.stack(terms).sum() if len(terms) > 1 else next(iter(terms), None)


def shared_parameters(model: MultiTaskModel) -> dict[str, nn.Parameter]:
    """The dense parameters below the towers, by name: all that are no table and no task's own."""
    tables = {id(parameter) for parameter in model.table_parameters()}
    own = ("towers.", "heads.")
    return {
        name: parameter
        for name, parameter in model.named_parameters()
        if id(parameter) not in tables and not name.startswith(own) and parameter.requires_grad
    }


def _read(model: MultiTaskModel, fields: Fields) -> dict[str, Tensor]:
    """Each task's representation, from the vectors of a batch."""
    return model.split(model.share(model.encode(fields)))


def _half_squares(tensors: Iterable[Tensor], factor: float) -> list[Tensor]:
    """Half the sum of all squares times a factor, as one term; none without tensors."""
    squares = [tensor.square().sum() for tensor in tensors]
    return [torch.stack(squares).sum() * (0.5 * factor)] if squares else []


def _valued(value: Tensor, *, gradient_of: Tensor) -> Tensor:
    """A scalar with the bits of one tensor and the gradient of another."""
    return value.detach() + (gradient_of - gradient_of.detach())
