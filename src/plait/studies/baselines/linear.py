"""A linear model on the prepared features: logistic regression, or ridge where labels are numbers.

Every value of every categorical feature has a weight of its own, so that on small logs this is
hard to beat by much.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge

from plait.data.store import Store

from .features import sparse_rows
from .shapes import all_classes
from .targets import Targets

__all__ = ["linear"]


def linear(targets: Targets, train: Store, judged: Store) -> NDArray[np.float64]:
    """Predictions of the linear model for every judged row, `[N]` or `[N, C]`."""
    features = sparse_rows(train, targets.rows)
    asked = sparse_rows(judged, np.arange(judged.num_rows))
    weights = targets.weights / targets.weights.mean()
    if not targets.is_class:
        ridge = Ridge(alpha=1.0, tol=1e-3).fit(features, targets.values, sample_weight=weights)
        numbers: NDArray[np.float64] = ridge.predict(asked)
        return numbers
    logistic = LogisticRegression(C=1.0, max_iter=300, tol=1e-3)
    with warnings.catch_warnings():
        # After 300 steps the predictions no longer move: good enough to compare with.
        warnings.simplefilter("ignore", ConvergenceWarning)
        logistic.fit(features, targets.values.astype(np.int64), sample_weight=weights)
    return all_classes(targets.task, logistic.classes_, logistic.predict_proba(asked))
