"""The last touch: probabilities whose mean is that of the labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import brentq
from torch import Tensor

from plait.data.store import Store
from plait.heads import Rows
from plait.models import MultiTaskModel
from plait.tasks import Binary

from .noisy_rates import NoisyRates
from .prediction import ROWS_AT_ONCE

MOST_ROWS = 65_536
"""Rows of a task that are predicted, evenly spread over those with a label where it has more. The
mean of predictions is known from them to a per cent or better: predictions differ less than labels,
whose mean is taken over all rows."""

_BLOCK_ROWS = 1 << 20
_REACH = 3.0


@torch.no_grad()
def level_base_rates(
    model: MultiTaskModel, train: Store, *, noise: Mapping[str, NoisyRates] | None = None
) -> dict[str, float]:
    """Shift the last bias of each binary task until its mean prediction is the mean label.

    A network that is stopped early and averaged predicts a rare event a per cent or two off in the
    mean. One number a task puts that right and leaves every order of rows as it is. With a chain
    the shift of a child is found for the joint event, after its parent's. Weights count, and
    `positive_weight` and focal losses are undone first, as in every prediction.

    Args:
        model: trained.
        train: the training rows: many enough for a mean, which validation rows rarely are.
        noise: by task, how often its labels are wrong: the mean is then that of the true ones.

    Returns:
        The shift of each binary task, in logits.
    """
    binary = [name for name in _parents_first(model) if isinstance(model.tasks[name], Binary)]
    looked_at = {name: rows for name in binary if len(rows := _looked_at(train, name))}
    if not looked_at:
        return {}
    rows = np.unique(np.concatenate(list(looked_at.values())))
    raw = _before_links(model, train, rows)
    shifts: dict[str, float] = {}
    for name, own in looked_at.items():
        rates = noise.get(name) if noise else None
        weight, _ = _weighted(train, name, own, rates)
        places = np.searchsorted(rows, own)
        mine = {task: parameters[places] for task, parameters in raw.items()}
        asked = _mean_label(train, name, rates)
        shifts[name] = _shift(model, name, mine, torch.from_numpy(weight), asked)
        raw[name] = raw[name] + shifts[name]
        model.tower_of(name).last.bias.add_(shifts[name])
    return shifts


def _parents_first(model: MultiTaskModel) -> Iterator[str]:
    children = [derived.task for derived in model.derived]
    yield from (name for name in model.tasks if name not in children)
    yield from children


def _looked_at(store: Store, name: str) -> NDArray[np.int64]:
    """The rows of a task that are predicted."""
    rows = np.flatnonzero(store.observed(name) & (store.weights(name) > 0))
    if len(rows) <= MOST_ROWS:
        return rows
    return rows[np.linspace(0, len(rows) - 1, MOST_ROWS).astype(np.int64)]


def _mean_label(store: Store, name: str, noise: NoisyRates | None) -> float:
    """Over all rows, in blocks: a log may be larger than memory."""
    summed = total = 0.0
    for start in range(0, store.num_rows, _BLOCK_ROWS):
        rows = np.arange(start, min(start + _BLOCK_ROWS, store.num_rows))
        weight, label = _weighted(store, name, rows, noise)
        summed, total = summed + float(weight @ label), total + float(weight.sum())
    return summed / total


def _weighted(
    store: Store, name: str, rows: NDArray[np.int64], noise: NoisyRates | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights and labels `[n]` of these rows whose weighted mean the predictions get."""
    weight = (store.weights(name)[rows] * store.observed(name)[rows]).astype(np.float64)
    label = store.labels(name)[rows].astype(np.float64)
    return (weight, label) if noise is None else noise.levelling(weight, label, rows)


def _before_links(
    model: MultiTaskModel, store: Store, rows: NDArray[np.int64]
) -> dict[str, Tensor]:
    """What the towers give `[n, out]` by task, before links tie them, on the CPU."""
    device = next(model.parameters()).device
    found = {name: [torch.empty(0, model.head(name).out_features)] for name in model.tasks}
    model.eval()
    for start in range(0, len(rows), ROWS_AT_ONCE):
        batch = store.batch(rows[start : start + ROWS_AT_ONCE]).to(device)
        for name, representation in model.trace(batch).representations.items():
            found[name].append(model.tower_of(name)(representation).cpu())
    return {name: torch.cat(parts) for name, parts in found.items()}


def _shift(
    model: MultiTaskModel, name: str, raw: dict[str, Tensor], weight: Tensor, asked: float
) -> float:
    head = model.head(name)

    def excess(shift: float) -> float:
        parameters = model.link({**raw, name: raw[name] + shift})
        predictions = head.predict(parameters[name], Rows()).double()
        return float((weight * predictions).sum() / weight.sum()) - asked

    if excess(-_REACH) >= 0 or excess(_REACH) <= 0:
        return 0.0  # nothing to find: labels of one class, or a model that has not learnt
    return float(brentq(excess, -_REACH, _REACH, xtol=1e-6))
