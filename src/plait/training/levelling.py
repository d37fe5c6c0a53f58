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

MOST_ROWS = 32_768
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
    the shift of a child is found for the joint event, after its parent's; where a link knows the
    chance of the parent (`Derived.least_propensity`), for the conditional one, by rows weighed up.
    Weights count, and `positive_weight` and focal losses are undone first, as in every prediction.

    Args:
        model: trained.
        train: the training rows: many enough for a mean, which validation rows rarely are.
        noise: by task, how often its labels are wrong: the mean is then that of the true ones.

    Returns:
        The shift of each binary task, in logits.
    """
    levels = [
        _Level(model, train, name, noise.get(name) if noise else None)
        for name in _parents_first(model)
        if isinstance(model.tasks[name], Binary)
    ]
    looked_at = {level: rows for level in levels if len(rows := level.looked_at())}
    if not looked_at:
        return {}
    rows = np.unique(np.concatenate(list(looked_at.values())))
    raw = _before_links(model, train, rows)
    shifts: dict[str, float] = {}
    for level, own in looked_at.items():
        places = np.searchsorted(rows, own)
        mine = {task: parameters[places] for task, parameters in raw.items()}
        shift = level.shift(mine, own)
        raw[level.name] = raw[level.name] + shift
        model.tower_of(level.name).last.bias.add_(shift)
        shifts[level.name] = shift
    return shifts


def _parents_first(model: MultiTaskModel) -> Iterator[str]:
    children = [derived.task for derived in model.derived]
    yield from (name for name in model.tasks if name not in children)
    yield from children


class _Level:
    """The base rate of one task: which output meets it, on which rows, with which weights."""

    def __init__(
        self, model: MultiTaskModel, store: Store, name: str, noise: NoisyRates | None
    ) -> None:
        self.name = name
        self._model, self._store, self._noise = model, store, noise
        self._output, self._parent, self._least = name, "", 0.0
        for derived in model.derived:
            known = f"{derived.within}.propensity" in store.extras
            if derived.task == name and derived.least_propensity is not None and known:
                self._output, self._parent = derived.name, derived.within
                self._least = derived.least_propensity

    def looked_at(self) -> NDArray[np.int64]:
        """The rows that are predicted."""
        store = self._store
        counts = store.observed(self.name) & (store.weights(self.name) > 0)
        if self._parent:
            counts &= store.observed(self._parent) & (store.weights(self._parent) > 0)
            counts &= store.labels(self._parent) > 0
        rows = np.flatnonzero(counts)
        if len(rows) <= MOST_ROWS:
            return rows
        return rows[np.linspace(0, len(rows) - 1, MOST_ROWS).astype(np.int64)]

    def shift(self, raw: Mapping[str, Tensor], rows: NDArray[np.int64]) -> float:
        """What the task's logits lack, from what the towers gave on these rows."""
        head, asked = self._model.head(self.name), self._mean_label()
        weight = torch.from_numpy(self._weighted(rows)[0])

        def excess(shift: float) -> float:
            parameters = self._model.link({**raw, self.name: raw[self.name] + shift})
            predictions = head.predict(parameters[self._output], Rows()).double()
            return float((weight * predictions).sum() / weight.sum()) - asked

        if excess(-_REACH) >= 0 or excess(_REACH) <= 0:
            return 0.0  # nothing to find: labels of one class, or a model that has not learnt
        return float(brentq(excess, -_REACH, _REACH, xtol=1e-6))

    def _mean_label(self) -> float:
        """Over all rows, in blocks: a log may be larger than memory."""
        summed = total = 0.0
        for start in range(0, self._store.num_rows, _BLOCK_ROWS):
            rows = np.arange(start, min(start + _BLOCK_ROWS, self._store.num_rows))
            weight, label = self._weighted(rows)
            summed, total = summed + float(weight @ label), total + float(weight.sum())
        return summed / total

    def _weighted(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Weights and labels `[n]` of these rows whose weighted mean the predictions get."""
        store, name, parent = self._store, self.name, self._parent
        weight = (store.weights(name)[rows] * store.observed(name)[rows]).astype(np.float64)
        label = store.labels(name)[rows].astype(np.float64)
        if self._noise is not None:
            weight, label = self._noise.levelling(weight, label, rows)
        if parent:
            counts = store.observed(parent)[rows] & (store.weights(parent)[rows] > 0)
            happened = store.labels(parent)[rows] * counts
            chance = store.extra(f"{parent}.propensity")[rows].astype(np.float64)
            weight *= happened / np.where(counts, chance, 1.0).clip(min=self._least)
        return weight, label


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
