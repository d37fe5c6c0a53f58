"""Boosted trees on the prepared features: what a team would have built instead."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from plait.data.store import Store

from .encoding import mean_label_of_values
from .features import DenseRows, dense_rows
from .shapes import all_classes
from .targets import Targets

__all__ = ["trees"]

FEW_ROWS = 200
"""Below this many training rows nothing is held out, and few trees are grown instead."""
MOST_TREES, FEW_TREES = 300, 30


def trees(targets: Targets, train: Store, judged: Store, *, seed: int) -> NDArray[np.float64]:
    """Predictions of histogram trees for every judged row, `[N]` or `[N, C]`.

    Training stops early on a tenth of the training rows. Columns of more than 255 values enter as
    they are and, beside that, as the mean label of their value in other rows.
    """
    known = dense_rows(train, targets.rows)
    asked = dense_rows(judged, np.arange(judged.num_rows))
    features, questions = _encoded(known, asked, targets, seed)
    is_class = targets.is_class
    kind = HistGradientBoostingClassifier if is_class else HistGradientBoostingRegressor
    holds_out = len(targets.rows) >= FEW_ROWS and _is_in_each_class(targets)
    model = kind(
        max_iter=MOST_TREES if holds_out else FEW_TREES,
        learning_rate=0.1,
        early_stopping=holds_out,
        n_iter_no_change=10,
        categorical_features=list(known.categories),
        random_state=seed,
    )
    values = targets.values.astype(np.int64) if is_class else targets.values
    model.fit(features, values, sample_weight=targets.weights / targets.weights.mean())
    if isinstance(model, HistGradientBoostingClassifier):
        return all_classes(targets.task, model.classes_, model.predict_proba(questions))
    numbers: NDArray[np.float64] = model.predict(questions)
    return numbers


def _is_in_each_class(targets: Targets) -> bool:
    """Whether each class has rows to train on and to hold out."""
    return not targets.is_class or int(np.unique(targets.values, return_counts=True)[1].min()) > 1


def _encoded(
    known: DenseRows, asked: DenseRows, targets: Targets, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both matrices, with the mean labels of columns of many values behind the others."""
    first, second = [known.values], [asked.values]
    for place in known.ids:
        own, other = mean_label_of_values(
            known.values[:, place].astype(np.int64),
            targets.columns,
            asked.values[:, place].astype(np.int64),
            seed=seed,
        )
        first.append(own)
        second.append(other)
    return np.hstack(first), np.hstack(second)
