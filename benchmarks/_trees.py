"""Boosted trees that somebody took trouble with: the bar for a default network on small logs."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from plait.data.store import Store
from plait.metrics import primary_metric
from plait.studies.baselines.features import dense_rows
from plait.tasks import Binary, Task

MOST_TREES = 600


@dataclass(frozen=True)
class Rows:
    """What trees are given of one part, on the rows where the label is observed."""

    features: NDArray[np.float64]
    labels: NDArray[np.float64]


def tuned_trees(
    task: Task, train: Store, valid: Store, judged: Store, *, trials: int, seed: int
) -> NDArray[np.float64]:
    """Predictions for every judged row of the best of so many settings on the validation rows.

    They get what the network gets: numbers, history features, categories (as categories or as
    numbers, where there are at most 255 values), lists as shares of their values; no user or item
    id, whose history says more to a tree. Growing stops on the validation rows.
    """
    wide = train.layout
    places = [p for p, column in enumerate(wide.ids) if column.name == column.feature]
    keys = {p for p in places if wide.table(wide.ids[p].table).is_key}
    known = dense_rows(train, np.arange(train.num_rows))
    left_out = sorted({places.index(p) for p in keys} | set(known.ids))
    varies = known.values.min(axis=0) < known.values.max(axis=0)
    kept = [int(at) for at in np.flatnonzero(varies) if at not in left_out]
    categories = [kept.index(at) for at in known.categories if at in kept]
    seen = _rows(task, train, kept)
    held_out = _rows(task, valid, kept)
    measure = primary_metric(task)
    best, found = -np.inf, np.empty(0)
    for number, setting in enumerate(_settings(trials, seed)):
        leaves, rate, least, l2, native = setting
        kind = (
            HistGradientBoostingClassifier
            if isinstance(task, Binary)
            else HistGradientBoostingRegressor
        )
        model = kind(
            max_iter=MOST_TREES,
            max_leaf_nodes=leaves,
            learning_rate=rate,
            min_samples_leaf=least,
            l2_regularization=l2,
            categorical_features=categories if native else None,
            early_stopping=True,
            n_iter_no_change=15,
            random_state=seed + number,
        )
        model.fit(seen.features, seen.labels, X_val=held_out.features, y_val=held_out.labels)
        measure.reset()
        measure.update(_predict(model, held_out.features), held_out.labels)
        score = measure.goodness(measure.compute())
        if score > best:
            asked = dense_rows(judged, np.arange(judged.num_rows)).values[:, kept]
            best, found = score, _predict(model, asked)
    return found


def _settings(trials: int, seed: int) -> list[tuple[int, float, int, float, bool]]:
    grid = list(
        product((7, 15, 31, 63), (0.05, 0.1), (20, 100, 300), (0.0, 1.0, 10.0), (True, False))
    )
    order = np.random.default_rng(seed).permutation(len(grid))[:trials]
    return [grid[place] for place in order]


def _rows(task: Task, store: Store, kept: list[int]) -> Rows:
    rows = np.flatnonzero(store.observed(task.name))
    features = dense_rows(store, rows).values[:, kept]
    return Rows(features, store.labels(task.name)[rows].astype(np.float64))


def _predict(
    model: HistGradientBoostingClassifier | HistGradientBoostingRegressor,
    features: NDArray[np.float64],
) -> NDArray[np.float64]:
    if isinstance(model, HistGradientBoostingClassifier):
        chances: NDArray[np.float64] = model.predict_proba(features)[:, 1]
        return chances
    numbers: NDArray[np.float64] = model.predict(features)
    return numbers
