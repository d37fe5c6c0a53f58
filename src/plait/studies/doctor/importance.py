"""Permutation importance: how much worse each task gets when a feature is shuffled."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from plait.data.batch import Batch, Layout
from plait.data.store import Store
from plait.metrics import primary_metric
from plait.models import MultiTaskModel
from plait.training.judging import judged_mask

from .measuring import values_on
from .sampling import sample_rows

__all__ = ["Importance", "permutation_importance", "with_feature_of"]

MOST_ROWS = 2_000
"""Rows of each output that are looked at."""


@dataclass(frozen=True)
class Importance:
    """What one feature is worth to one output.

    Attributes:
        output: the output.
        feature: the feature, all its columns together.
        metric: the primary metric.
        loss: how much worse the metric gets when the feature is shuffled, mean of the repeats;
            positive: the feature helps.
        spread: standard deviation over the repeats.
        n: rows.
    """

    output: str
    feature: str
    metric: str
    loss: float
    spread: float
    n: int

    @property
    def is_clear(self) -> bool:
        """Whether the loss is more than twice its spread over the repeats."""
        return math.isfinite(self.loss) and abs(self.loss) > 2 * self.spread


def permutation_importance(
    model: MultiTaskModel, store: Store, *, repeats: int, seed: int
) -> tuple[Importance, ...]:
    """Every feature for every output, on up to 2,000 judged rows of each output.

    All columns of a feature (a number and its bin) are shuffled together, between the same rows
    for every output; so are sequences of which one is read beside the other. Features that say the
    same thing stand in for one another, so that each looks less important than it is (Breiman,
    2001).

    Args:
        model: in evaluation mode.
        store: rows that training did not see.
        repeats: shuffles of each feature.
        seed: of rows and shuffles.
    """
    rows = _rows(model, store, seed)
    if not len(rows):
        return ()
    batch = store.batch(rows)
    base = _goodness(model, store, rows, batch)
    generator = np.random.default_rng(seed)
    shuffled = [store.batch(rows[generator.permutation(len(rows))]) for _ in range(repeats)]
    found = []
    for feature in _features(store.layout):
        changed = [
            _goodness(model, store, rows, _shuffled(model, batch, other, feature))
            for other in shuffled
        ]
        for output, (goodness, n) in base.items():
            losses = np.array([goodness - round_[output][0] for round_ in changed])
            found.append(
                Importance(
                    output,
                    feature,
                    primary_metric(model.head(output).task).name,
                    float(losses.mean()) if np.isfinite(losses).all() else math.nan,
                    float(losses.std()) if np.isfinite(losses).all() else math.nan,
                    n,
                )
            )
    return tuple(found)


def _shuffled(model: MultiTaskModel, batch: Batch, other: Batch, feature: str) -> Batch:
    """The batch with one feature of another, and with the sequences that are read beside it."""
    beside = {feature} if model.sequences is None else model.sequences.moved_with(feature)
    for name in (feature, *sorted(beside - {feature})):
        batch = with_feature_of(batch, other, model.layout, name)
    return batch


def with_feature_of(batch: Batch, other: Batch, layout: Layout, feature: str) -> Batch:
    """The batch with every column of one feature taken from another batch of as many rows."""
    ids, numbers = batch.ids.clone(), batch.numbers.clone()
    for place, column in enumerate(layout.ids):
        if column.feature == feature:
            ids[:, place] = other.ids[:, place]
    for place, number in enumerate(layout.numbers):
        if number.name == feature:
            numbers[:, 3 * place : 3 * place + 3] = other.numbers[:, 3 * place : 3 * place + 3]
    lists = {n: other.lists[n] if n == feature else kept for n, kept in batch.lists.items()}
    vectors = {n: other.vectors[n] if n == feature else v for n, v in batch.vectors.items()}
    return replace(batch, ids=ids, numbers=numbers, lists=lists, vectors=vectors)


def _features(layout: Layout) -> list[str]:
    names = [column.feature for column in layout.ids]
    names += [number.name for number in layout.numbers]
    names += [column.feature for column in layout.lists]
    return list(dict.fromkeys([*names, *(layout.vectors or {})]))


def _rows(model: MultiTaskModel, store: Store, seed: int) -> NDArray[np.int64]:
    drawn = [
        sample_rows(store, MOST_ROWS, seed=seed, among=judged_mask(model, store, output))
        for output in model.outputs
    ]
    return np.unique(np.concatenate(drawn))


def _goodness(
    model: MultiTaskModel, store: Store, rows: NDArray[np.int64], batch: Batch
) -> Mapping[str, tuple[float, int]]:
    """Each output's primary metric on these rows, turned so that higher is better; and its rows."""
    with torch.inference_mode():
        predictions = {name: found.numpy() for name, found in model.predict(batch).items()}
    found: dict[str, tuple[float, int]] = {}
    for output, value in values_on(model, store, rows, predictions).items():
        metric = primary_metric(model.head(output).task)
        found[output] = (metric.goodness(value) if value.is_known else math.nan, value.n)
    return found
