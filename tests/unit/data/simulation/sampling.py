"""Whether outcomes can have come from the chances that are stated for them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

BINS = 10
ALARM = 3e-5
"""Chance of a false alarm in one comparison; over the some 350 that the tests make, a hundredth.

Seeds are fixed, so a comparison that holds once holds always.
"""
LEAST_VARIANCE = 25.0
"""Of the sum of a group of chances: below it, the sum is not near enough to a normal number."""


class Fit(NamedTuple):
    """The largest |z| over the groups of rows, and the most that sampling error allows."""

    worst: float
    allowed: float
    groups: int

    @property
    def holds(self) -> bool:
        return self.worst <= self.allowed


def fit(
    outcome: ArrayLike, mean: ArrayLike, *by: ArrayLike, variance: ArrayLike | None = None
) -> Fit:
    """Compare sums over all rows, in tenths of the stated mean, and for each value of each `by`.

    Without a variance, the outcomes are of 0 and 1. They are independent given the row, so the
    sum of a group's residuals over the root of its summed variance is near a standard normal
    number. Bonferroni over the groups.
    """
    found, means = np.asarray(outcome, dtype=np.float64), np.asarray(mean, dtype=np.float64)
    spread = means * (1 - means) if variance is None else np.asarray(variance, dtype=np.float64)
    enough = LEAST_VARIANCE if variance is None else 0.0
    tenths = np.array_split(np.argsort(means, kind="stable"), BINS)
    groups = [np.arange(len(means)), *tenths]
    groups += [rows for keys in by for rows in _groups(np.asarray(keys))]
    groups = [rows for rows in groups if spread[rows].sum() > enough]
    scores = [(found - means)[rows].sum() / np.sqrt(spread[rows].sum()) for rows in groups]
    allowed = norm.isf(ALARM / 2 / len(groups))
    return Fit(float(np.abs(scores).max()), float(allowed), len(groups))


def _groups(keys: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    order = np.argsort(keys, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(keys[order])) + 1)
