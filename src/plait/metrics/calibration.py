"""How far probabilities can be taken at their word: log loss, entropy, bias, calibration error."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from plait.errors import MetricInputError

from .additive import Additive, SummedMetric
from .grouping import run_starts, run_totals, totals
from .metric import Collected, CollectedMetric
from .rows import (
    NOT_NEGATIVE,
    PROBABILITIES,
    RATES,
    ZERO_OR_ONE,
    FloatArray,
    Rows,
    find_fault,
    read_rows,
    unknown,
)
from .value import Value

__all__ = [
    "ECE",
    "PCOC",
    "Brier",
    "LogLoss",
    "NormalisedEntropy",
    "brier",
    "ece",
    "log_loss",
    "log_loss_from_logits",
    "normalised_entropy",
    "pcoc",
]

CLIP = 1e-7
"""Probabilities are kept this far from 0 and 1 before a logarithm: a float32 sigmoid reaches 1."""


def _cross_entropy(rows: Rows) -> FloatArray:
    p = np.clip(rows.predictions, CLIP, 1 - CLIP)
    return -(rows.targets * np.log(p) + (1 - rows.targets) * np.log1p(-p))


def _logit_cross_entropy(rows: Rows) -> FloatArray:
    loss = np.logaddexp(0.0, rows.predictions) - rows.targets * rows.predictions
    return loss[None]


def _entropy_ratio(means: FloatArray) -> float:
    loss, rate = float(means[0]), float(means[1])
    if not 0 < rate < 1:
        return math.nan
    return loss / -(rate * math.log(rate) + (1 - rate) * math.log1p(-rate))


def _ratio(means: FloatArray) -> float:
    predicted, actual = float(means[0]), float(means[1])
    return predicted / actual if actual > 0 else math.nan


def _only(means: FloatArray) -> float:
    return float(means[0])


_LOG_LOSS = Additive(
    terms=lambda rows: _cross_entropy(rows)[None],
    conclude=_only,
    checks=(PROBABILITIES, RATES),
)
_LOGIT_LOG_LOSS = Additive(terms=_logit_cross_entropy, conclude=_only, checks=(RATES,))
_NORMALISED_ENTROPY = Additive(
    terms=lambda rows: np.stack([_cross_entropy(rows), rows.targets]),
    conclude=_entropy_ratio,
    reason="all rows are of one class: their entropy is zero",
    checks=(PROBABILITIES, RATES),
)
_PCOC = Additive(
    terms=lambda rows: np.stack([rows.predictions, rows.targets]),
    conclude=_ratio,
    reason="there are no positive rows",
    checks=(NOT_NEGATIVE,),
)
_BRIER = Additive(
    terms=lambda rows: np.square(rows.predictions - rows.targets)[None],
    conclude=_only,
    checks=(PROBABILITIES, ZERO_OR_ONE),
)


def log_loss(
    predictions: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None = None
) -> Value:
    """Mean cross-entropy of probabilities, in nats. Targets may be rates between 0 and 1.

    Probabilities are clipped to 1e-7 from 0 and 1, so that one saturated prediction costs 16.1
    nats and not infinity.

    Raises:
        MetricInputError: shapes that do not fit, or weights that are negative or not finite.

    Example:
        >>> round(log_loss([0.5, 0.8], [1, 1]).value, 4)
        0.4581
    """
    return _LOG_LOSS(predictions, targets, weights=weights)


def log_loss_from_logits(
    logits: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None = None
) -> Value:
    """Mean cross-entropy of logits, in nats, without the clipping that probabilities need.

    Raises:
        MetricInputError: shapes that do not fit, or weights that are negative or not finite.

    Example:
        >>> round(log_loss_from_logits([0.0, 100.0], [1, 0]).value, 4)
        50.3466
    """
    return _LOGIT_LOG_LOSS(logits, targets, weights=weights)


def normalised_entropy(
    predictions: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None = None
) -> Value:
    """Log loss over the entropy of the positive rate of the same rows: 1 is the base rate's.

    Comparable between tasks and days whose rates differ (He et al., `Practical Lessons from
    Predicting Clicks on Ads at Facebook <https://doi.org/10.1145/2648584.2648589>`_, 2014).

    Raises:
        MetricInputError: shapes that do not fit, or weights that are negative or not finite.

    Example:
        >>> normalised_entropy([0.5, 0.5], [1, 0]).value
        1.0
    """
    return _NORMALISED_ENTROPY(predictions, targets, weights=weights)


def pcoc(predictions: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None = None) -> Value:
    """Predicted over actual total: 1.2 says that the model promises a fifth too much.

    Raises:
        MetricInputError: shapes that do not fit, or weights that are negative or not finite.

    Example:
        >>> pcoc([0.5, 0.25, 0.75], [1, 0, 0]).value
        1.5
    """
    return _PCOC(predictions, targets, weights=weights)


def brier(predictions: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None = None) -> Value:
    """Mean squared distance of probabilities from what happened.

    Raises:
        MetricInputError: shapes that do not fit, or weights that are negative or not finite.

    Example:
        >>> brier([0.5, 1.0], [1, 1]).value
        0.125
    """
    return _BRIER(predictions, targets, weights=weights)


def ece(
    predictions: ArrayLike,
    targets: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    num_bins: int = 15,
) -> Value:
    """Expected calibration error: mean gap of promised and actual rate, over bins of equal mass.

    Bins of equal width put all rows of a rare event into one bin. Rows of one prediction share a
    bin, the one in which the middle of their mass lies, so that the order of rows plays no part.

    Raises:
        MetricInputError: shapes that do not fit, weights that are negative or not finite, or
            fewer than one bin.

    Example:
        >>> round(ece([0.2, 0.2, 0.6, 0.6], [0, 0, 1, 1], num_bins=2).value, 4)
        0.3
    """
    _check_bins(num_bins)
    rows = read_rows(predictions, targets, weights)
    reason = find_fault(rows, PROBABILITIES, RATES)
    if reason:
        return unknown(reason, rows, n_positive=rows.n_positive)
    ordered = rows.take(np.argsort(rows.predictions, kind="stable"))
    starts = run_starts(ordered.predictions)
    mass = run_totals(ordered.weights, starts)
    excess = run_totals(ordered.weights * (ordered.predictions - ordered.targets), starts)
    middle = (np.cumsum(mass) - mass / 2) / mass.sum()
    bins = np.minimum((middle * num_bins).astype(np.int64), num_bins - 1)
    gaps = np.abs(totals(bins, excess, num_bins))
    return Value(float(gaps.sum() / mass.sum()), len(rows), rows.n_positive)


@dataclass(eq=False)
class LogLoss(SummedMetric):
    """`log_loss` over all rows.

    Stability: stable.
    """

    name = "log_loss"
    higher_is_better = False
    measure = _LOG_LOSS


@dataclass(eq=False)
class NormalisedEntropy(SummedMetric):
    """`normalised_entropy` over all rows.

    Stability: stable.
    """

    name = "normalised_entropy"
    higher_is_better = False
    measure = _NORMALISED_ENTROPY


@dataclass(eq=False)
class PCOC(SummedMetric):
    """`pcoc` over all rows. Best at 1, so that only `goodness` can be compared.

    Stability: stable.
    """

    name = "pcoc"
    higher_is_better = False
    measure = _PCOC

    def goodness(self, value: Value) -> float:
        """Minus the distance from 1 on the log scale: half is as bad as twice."""
        if not value.is_known or value.value <= 0:
            return -math.inf
        return -abs(math.log(value.value))


@dataclass(eq=False)
class Brier(SummedMetric):
    """`brier` over all rows.

    Stability: stable.
    """

    name = "brier"
    higher_is_better = False
    measure = _BRIER


@dataclass(eq=False)
class ECE(CollectedMetric):
    """`ece` over all rows.

    Stability: stable.
    """

    name = "ece"
    higher_is_better = False

    num_bins: int = 15

    def __post_init__(self) -> None:
        _check_bins(self.num_bins)

    def _measure(self, rows: Collected) -> Value:
        return ece(rows.predictions, rows.targets, weights=rows.weights, num_bins=self.num_bins)


def _check_bins(num_bins: int) -> None:
    if num_bins < 1:
        raise MetricInputError(f"`num_bins` must be at least 1, got {num_bins}.")
