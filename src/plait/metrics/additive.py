"""Measures that are a function of weighted means over rows, so that only sums need be kept."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from .metric import Metric
from .rows import FINITE, Check, FloatArray, Rows, count_faults, describe_faults, read_rows
from .value import Value

__all__ = ["Additive", "SummedMetric", "Sums"]


@dataclass(frozen=True, eq=False)
class Sums:
    """Everything that rows leave behind: weighted totals, counts, and faults by complaint."""

    totals: FloatArray | float = 0.0
    weight: float = 0.0
    n: int = 0
    n_positive: int = 0
    faults: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.totals + other.totals,
            self.weight + other.weight,
            self.n + other.n,
            self.n_positive + other.n_positive,
            self.faults + other.faults,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Additive:
    """One measure: what each row adds, and what the means of that say.

    Stability: experimental.

    Attributes:
        terms: rows -> [S, n], what each row adds to each of S sums, before its weight.
        conclude: the S weighted means -> the value. nan where there is none.
        reason: why `conclude` may have given nan.
        checks: faults in rows that make the measure meaningless, besides values not finite.
        read: how arrays become rows.
        counts_positives: whether the notion of a positive row applies.
    """

    terms: Callable[[Rows], FloatArray]
    conclude: Callable[[FloatArray], float]
    reason: str = ""
    checks: tuple[Check, ...] = ()
    read: Callable[[ArrayLike, ArrayLike, ArrayLike | None], Rows] = read_rows
    counts_positives: bool = True

    def __call__(
        self, predictions: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None
    ) -> Value:
        """The measure on these rows."""
        return self.value(self.sums(predictions, targets, weights))

    def sums(self, predictions: ArrayLike, targets: ArrayLike, weights: ArrayLike | None) -> Sums:
        """What these rows add."""
        rows = self.read(predictions, targets, weights)
        faults = count_faults(rows, (*FINITE, *self.checks))
        totals: FloatArray | float = 0.0
        if len(rows) and not faults:
            with np.errstate(over="ignore", invalid="ignore"):  # `value` looks for infinities
                totals = (self.terms(rows) * rows.weights).sum(axis=1)
        return Sums(totals, float(rows.weights.sum()), len(rows), rows.n_positive, faults)

    def value(self, sums: Sums) -> Value:
        """What the sums of all rows say."""
        value, reason = math.nan, describe_faults(sums.faults, sums.n)
        if not reason:
            means = np.asarray(sums.totals) / sums.weight
            if np.isfinite(means).all():
                value, reason = self.conclude(means), self.reason
            else:
                reason = "the values are too large for 64 bit numbers"
        n_positive = sums.n_positive if self.counts_positives else None
        return Value(value, sums.n, n_positive, reason=reason if math.isnan(value) else "")


@dataclass(eq=False)
class SummedMetric(Metric):
    """A metric that keeps sums only. To write one, give it a name, a direction and `measure`.

    Stability: stable.
    """

    measure: ClassVar[Additive]
    _sums: Sums = field(default_factory=Sums, init=False, repr=False)

    def update(
        self,
        predictions: ArrayLike,
        targets: ArrayLike,
        *,
        weights: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> None:
        """Add the sums over these rows."""
        self._sums = self._sums + self.measure.sums(predictions, targets, weights)

    def compute(self) -> Value:
        """The measure on all rows so far; nan and a reason where there is none."""
        return self.measure.value(self._sums)

    def reset(self) -> None:
        """Forget all rows."""
        self._sums = Sums()

    def _absorb(self, other: Self) -> None:
        self._sums = self._sums + other._sums
