"""AUC in constant memory, for logs whose rows cannot all be kept."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from .grouping import totals
from .metric import Metric
from .rows import (
    FINITE,
    PROBABILITIES,
    ZERO_OR_ONE,
    FloatArray,
    Rows,
    count_faults,
    describe_faults,
    read_rows,
)
from .value import Value

__all__ = ["StreamingAUC"]

NUM_BINS = 2**16
REACH = 20.0
"""Logits beyond plus or minus this (2e-9 from 0 and 1) share the outermost bins."""


def _no_mass() -> FloatArray:
    return np.zeros((2, NUM_BINS))


@dataclass(eq=False)
class StreamingAUC(Metric):
    """AUC from a histogram of the logits of the predictions: 1 MiB of state for any number of rows.

    Bins are equal on the logit scale (0.0006 wide, from -20 to 20), so that rare events, whose
    probabilities crowd near zero, are told apart. Rows of one bin count as tied. The answer is
    therefore within `error_bound()` of the exact AUC: half the share of (positive, negative) pairs
    that fall into one bin. Use `AUC` where memory allows.

    Stability: stable.
    """

    name = "auc"
    higher_is_better = True

    _mass: FloatArray = field(default_factory=_no_mass, init=False, repr=False)
    _n: int = field(default=0, init=False, repr=False)
    _n_positive: int = field(default=0, init=False, repr=False)
    _faults: Counter[str] = field(default_factory=Counter, init=False, repr=False)

    def update(
        self,
        predictions: ArrayLike,
        targets: ArrayLike,
        *,
        weights: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> None:
        """Count the rows into their bins."""
        rows = read_rows(predictions, targets, weights)
        faults = count_faults(rows, (*FINITE, PROBABILITIES, ZERO_OR_ONE))
        self._n += len(rows)
        self._n_positive += rows.n_positive
        self._faults += faults
        if not faults:
            self._mass += _histogram(rows)

    def compute(self) -> Value:
        """The measure on all rows so far; nan and a reason where there is none."""
        reason = describe_faults(self._faults, self._n)
        negative, positive = self._mass
        total = float(negative.sum() * positive.sum())
        if not reason and not total > 0:
            kind = "positive" if self._n_positive else "negative"
            reason = f"all {self._n} rows are {kind}: both classes are needed"
        value = math.nan
        if not reason:
            below = np.cumsum(negative) - negative / 2
            value = float((positive * below).sum()) / total
        return Value(value, self._n, self._n_positive, reason=reason)

    def error_bound(self) -> float:
        """How far the answer can be from the exact AUC; nan where there is no answer."""
        if not self.compute().is_known:
            return math.nan
        negative, positive = self._mass
        return float((negative * positive).sum() / (negative.sum() * positive.sum())) / 2

    def reset(self) -> None:
        """Forget all rows."""
        self._mass, self._n, self._n_positive, self._faults = _no_mass(), 0, 0, Counter()

    def _absorb(self, other: Self) -> None:
        self._mass = self._mass + other._mass
        self._n += other._n
        self._n_positive += other._n_positive
        self._faults = self._faults + other._faults


def _histogram(rows: Rows) -> FloatArray:
    edge = 1 / (1 + math.exp(REACH))
    p = np.clip(rows.predictions, edge, 1 - edge)
    logits = np.log(p) - np.log1p(-p)
    bins = ((logits + REACH) * (NUM_BINS / (2 * REACH))).astype(np.int64)
    bins = np.clip(bins, 0, NUM_BINS - 1) + NUM_BINS * (rows.targets > 0)
    return totals(bins, rows.weights, 2 * NUM_BINS).reshape(2, NUM_BINS)
