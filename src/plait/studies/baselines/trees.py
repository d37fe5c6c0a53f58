"""Boosted trees on the prepared features: what a team would have built instead."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.preprocessing import TargetEncoder

from plait.data.store import Store

from .features import DenseRows, dense_rows
from .shapes import all_classes
from .targets import Targets

__all__ = ["trees"]

FEW_ROWS = 200
"""Below this many training rows nothing is held out for early stopping."""


def trees(targets: Targets, train: Store, judged: Store, *, seed: int) -> NDArray[np.float64]:
    """Predictions of histogram trees for every judged row, `[N]` or `[N, C]`.

    Training stops early on a tenth of the training rows. Columns of more than 255 values enter as
    the mean label of their value, taken from other rows (scikit-learn's `TargetEncoder`).
    """
    known = dense_rows(train, targets.rows)
    asked = dense_rows(judged, np.arange(judged.num_rows))
    features, questions = _encoded(known, asked, targets, seed)
    is_class = targets.is_class
    kind = HistGradientBoostingClassifier if is_class else HistGradientBoostingRegressor
    model = kind(
        max_iter=300,
        learning_rate=0.1,
        early_stopping=len(targets.rows) >= FEW_ROWS,
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


def _encoded(
    known: DenseRows, asked: DenseRows, targets: Targets, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both matrices with columns of many values replaced by mean labels, behind the others."""
    ids = list(known.ids)
    if not ids:
        return known.values, asked.values
    kind = "continuous"
    if targets.is_class:
        kind = "binary" if targets.task.kind == "binary" else "multiclass"
    encoder = TargetEncoder(target_type=kind, random_state=seed)
    values = targets.values.astype(np.int64) if targets.is_class else targets.values
    first = encoder.fit_transform(known.values[:, ids], values)
    second = encoder.transform(asked.values[:, ids])
    return np.hstack([known.values, first]), np.hstack([asked.values, second])
