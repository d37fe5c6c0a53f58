"""The share of variance that predicted numbers explain, from moments that can be merged."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from .metric import Metric
from .rows import FINITE, Rows, count_faults, describe_faults, read_rows
from .value import Value

__all__ = ["R2", "r2"]


def r2(predictions: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None = None) -> Value:
    """Share of the variance of the targets that is explained; 0 is that of their mean.

    Raises:
        MetricInputError: shapes that do not fit, or weights that are negative or not finite.

    Example:
        >>> r2([1.0, 2.0, 4.0], [1.0, 2.0, 3.0]).value
        0.5
    """
    metric = R2()
    metric.update(predictions, targets, weights=weights)
    return metric.compute()


@dataclass(eq=False)
class R2(Metric):
    """`r2` over all rows.

    Sums of squares would lose the variance of targets far from zero (time stamps), so that
    centred moments are kept and merged (Chan, Golub and LeVeque, 1983).

    Stability: stable.
    """

    name = "r2"
    higher_is_better = True

    _state: _Moments = field(default_factory=lambda: _Moments(), init=False, repr=False)

    def update(
        self,
        predictions: ArrayLike,
        targets: ArrayLike,
        *,
        weights: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> None:
        """Add the moments of these rows."""
        self._state = self._state.joined(_moments(read_rows(predictions, targets, weights)))

    def compute(self) -> Value:
        """The measure on all rows so far; nan and a reason where there is none."""
        state = self._state
        reason = describe_faults(state.faults, state.n)
        if not reason and state.low == state.high:
            reason = "the targets are all the same"
        if not reason and not (math.isfinite(state.error) and 0 < state.spread < math.inf):
            reason = "the values are too large or too small for 64 bit numbers"
        value = math.nan if reason else 1 - state.error / state.spread
        return Value(value, state.n, reason=reason)

    def reset(self) -> None:
        """Forget all rows."""
        self._state = _Moments()

    def _absorb(self, other: Self) -> None:
        self._state = self._state.joined(other._state)


@dataclass(frozen=True, eq=False)
class _Moments:
    """What rows leave behind: the weighted mean and squares of targets, the squared error."""

    n: int = 0
    weight: float = 0.0
    mean: float = 0.0
    spread: float = 0.0
    error: float = 0.0
    low: float = math.inf
    high: float = -math.inf
    faults: Counter[str] = field(default_factory=Counter)

    def joined(self, other: _Moments) -> _Moments:
        weight = self.weight + other.weight
        share = other.weight / weight if weight else 0.0
        gap = other.mean - self.mean
        return _Moments(
            n=self.n + other.n,
            weight=weight,
            mean=self.mean + gap * share,
            spread=self.spread + other.spread + gap * gap * self.weight * share,
            error=self.error + other.error,
            low=min(self.low, other.low),
            high=max(self.high, other.high),
            faults=self.faults + other.faults,
        )


def _moments(rows: Rows) -> _Moments:
    faults = count_faults(rows, FINITE)
    if faults or not len(rows):
        return _Moments(n=len(rows), faults=faults)
    targets, weights = rows.targets, rows.weights
    with np.errstate(over="ignore", invalid="ignore"):  # `compute` looks for infinities
        mean = float(np.average(targets, weights=weights))
        return _Moments(
            n=len(rows),
            weight=float(weights.sum()),
            mean=mean,
            spread=float((weights * np.square(targets - mean)).sum()),
            error=float((weights * np.square(targets - rows.predictions)).sum()),
            low=float(targets.min()),
            high=float(targets.max()),
        )
