"""Ids of many values as numbers: the mean label of the value, taken from other rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["mean_label_of_values"]

FOLDS = 5
PRIOR_ROWS = 10.0
"""How many rows of the mean of all are mixed into the mean of a value."""


def mean_label_of_values(
    known: NDArray[np.int64],
    labels: NDArray[np.float64],
    asked: NDArray[np.int64],
    *,
    seed: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The smoothed mean label of each row's value, for training rows and for asked ones.

    A training row is never told its own label: its mean is taken over the other four fifths of the
    rows. A value that is not among them gets the mean of all.

    Args:
        known: ids of the training rows `[n]`.
        labels: their labels `[n, C]`.
        asked: ids of other rows `[m]`.
        seed: of the folds.

    Returns:
        Means of the training rows `[n, C]` and of the asked rows `[m, C]`.

    Example:
        >>> ids = np.zeros(4, dtype=np.int64)
        >>> _, asked = mean_label_of_values(ids, np.ones((4, 1)), np.array([0, 9]), seed=0)
        >>> asked.tolist()
        [[1.0], [1.0]]
    """
    size = int(max(known.max(initial=0), asked.max(initial=0))) + 1
    folds = np.random.default_rng(seed).permutation(len(known)) % FOLDS
    own = np.empty_like(labels)
    for fold in range(FOLDS):
        inside = folds == fold
        own[inside] = _means(known[~inside], labels[~inside], size)[known[inside]]
    return own, _means(known, labels, size)[asked]


def _means(ids: NDArray[np.int64], labels: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    overall = labels.mean(axis=0) if len(labels) else np.zeros(labels.shape[1])
    counts = np.bincount(ids, minlength=size)
    sums = np.column_stack([np.bincount(ids, column, size) for column in labels.T])
    means: NDArray[np.float64] = (sums + PRIOR_ROWS * overall) / (counts[:, None] + PRIOR_ROWS)
    return means
