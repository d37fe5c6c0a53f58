"""How well the model fits what it saw and what it did not: gaps, unseen ids, starving tasks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from plait.data.batch import UNKNOWN
from plait.data.store import Store
from plait.metrics import primary_metric
from plait.models import MultiTaskModel
from plait.tasks import Binary
from plait.training import Supervised, expected_shares

from .measuring import values_on
from .sampling import sample_rows

__all__ = ["Gap", "Share", "Unseen", "gaps", "task_shares", "unseen"]

MOST_ROWS = 20_000
ROWS_AT_ONCE = 8192
GRADIENT_ROWS = 2_048
GRADIENT_BATCHES = 4


@dataclass(frozen=True)
class Gap:
    """One output on rows that training saw, and on rows that it did not.

    Attributes:
        output: the output.
        metric: its primary metric.
        higher_is_better: the direction of the metric.
        train: on training rows.
        held_out: on the other rows.
        excess: how much worse the other rows are: a difference where higher is better, a share of
            the training error where lower is.
        n: rows of each.
    """

    output: str
    metric: str
    higher_is_better: bool
    train: float
    held_out: float
    excess: float
    n: tuple[int, int]


@dataclass(frozen=True)
class Unseen:
    """Share of values that have no vector of their own.

    Attributes:
        feature: the column of ids.
        is_key: whether it holds users or items.
        train: share in the training rows.
        after: share in the other rows.
        n: rows of the latter.
    """

    feature: str
    is_key: bool
    train: float
    after: float
    n: int


@dataclass(frozen=True)
class Share:
    """What one task brings to training.

    Attributes:
        task: its name.
        loss: its part of the sum of losses on training rows.
        gradient: its part of the sum of gradient norms on the shared network, before balancing.
        observed: training rows with a label.
        positives: those above zero; None where the notion does not apply.
        wanted: how many positives (labels) the task asks for.
    """

    task: str
    loss: float
    gradient: float
    observed: int
    positives: int | None
    wanted: int


def gaps(model: MultiTaskModel, train: Store, held_out: Store, *, seed: int) -> tuple[Gap, ...]:
    """The primary metric of each output on up to 20,000 rows of either store."""
    first, second = (_measured(model, store, seed) for store in (train, held_out))
    found = []
    for output in model.outputs:
        metric = primary_metric(model.head(output).task)
        (seen, n), (new, m) = first[output], second[output]
        excess = seen - new if metric.higher_is_better else _relative(seen, new)
        found.append(Gap(output, metric.name, metric.higher_is_better, seen, new, excess, (n, m)))
    return tuple(found)


def unseen(train: Store, after: Store) -> tuple[Unseen, ...]:
    """Every column of ids in which a value of the later rows was not known, worst first."""
    found = [
        Unseen(
            column.name,
            train.layout.table(column.table).is_key,
            train=_unknown_share(train, place),
            after=_unknown_share(after, place),
            n=after.num_rows,
        )
        for place, column in enumerate(train.layout.ids)
        if column.name == column.feature and after.num_rows
    ]
    return tuple(sorted((u for u in found if u.after > 0), key=lambda u: -u.after))


def task_shares(model: MultiTaskModel, train: Store, *, seed: int) -> tuple[Share, ...]:
    """Losses and gradients of each task on a few training batches, and its labels."""
    objective = Supervised(expected_shares(model, train))
    shared = [parameter for parameter in model.architecture.parameters() if parameter.requires_grad]
    losses, gradients = dict.fromkeys(model.tasks, 0.0), dict.fromkeys(model.tasks, 0.0)
    for number in range(GRADIENT_BATCHES):
        rows = sample_rows(train, GRADIENT_ROWS, seed=seed + number)
        found = objective.losses(model, train.batch(rows), 0).tasks
        for name, loss in found.items():
            losses[name] += float(loss.detach())
            gradients[name] += _gradient_norm(loss, shared)
    return tuple(
        Share(
            task=name,
            loss=_part(losses, name),
            gradient=_part(gradients, name),
            observed=int(train.observed(name).sum()),
            positives=int(((train.labels(name) > 0) & train.observed(name)).sum())
            if isinstance(task, Binary)
            else None,
            wanted=task.min_positives,
        )
        for name, task in model.tasks.items()
    )


def _measured(model: MultiTaskModel, store: Store, seed: int) -> dict[str, tuple[float, int]]:
    rows = sample_rows(store, MOST_ROWS, seed=seed)
    parts: dict[str, list[np.ndarray]] = {output: [] for output in model.outputs}
    with torch.inference_mode():
        for start in range(0, max(1, len(rows)), ROWS_AT_ONCE):
            batch = store.batch(rows[start : start + ROWS_AT_ONCE])
            for output, values in model.predict(batch).items():
                parts[output].append(values.numpy())
    predictions = {output: np.concatenate(found) for output, found in parts.items()}
    found = values_on(model, store, rows, predictions)
    return {output: (value.value, value.n) for output, value in found.items()}


def _unknown_share(store: Store, place: int) -> float:
    return float(np.mean(store.ids[:, place] == UNKNOWN))


def _relative(seen: float, new: float) -> float:
    return (new - seen) / seen if seen > 0 else math.nan


def _part(amounts: dict[str, float], name: str) -> float:
    total = sum(abs(amount) for amount in amounts.values())
    return abs(amounts[name]) / total if total else math.nan


def _gradient_norm(loss: Tensor, parameters: Sequence[Tensor]) -> float:
    if not parameters or not loss.requires_grad:
        return 0.0
    found = torch.autograd.grad(
        loss, parameters, retain_graph=True, allow_unused=True, materialize_grads=True
    )
    return math.sqrt(sum(float(gradient.square().sum()) for gradient in found))
