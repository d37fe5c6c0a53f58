"""The sampling error of an AUC, and of the difference between two on the same rows, in closed form.

DeLong, DeLong and Clarke-Pearson, `Comparing the Areas under Two or More Correlated Receiver
Operating Characteristic Curves <https://doi.org/10.2307/2531595>`_ (1988), with the midranks of Sun
and Xu (2014): O(n log n). Rows are taken to be independent; where users have many rows each, use
`paired_bootstrap` with `clusters`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from .grouping import run_starts
from .rows import ZERO_OR_ONE, FloatArray, Rows, find_fault, read_rows
from .statistics import Estimate, check_confidence, normal_estimate

__all__ = ["delong_interval", "delong_test"]


def delong_interval(
    predictions: ArrayLike, targets: ArrayLike, *, confidence: float = 0.95
) -> Estimate:
    """One AUC with its standard error and normal interval, cut at 0 and 1. No test: p is nan.

    Raises:
        MetricInputError: shapes that do not fit, or a confidence outside 0 to 1.

    Example:
        >>> found = delong_interval([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
        >>> found.value, round(found.standard_error, 4)
        (0.75, 0.3536)
    """
    check_confidence(confidence)
    rows = read_rows(predictions, targets, None)
    reason = _reason(rows)
    if reason:
        return Estimate(math.nan, n=len(rows), reason=reason)
    positive_shares, negative_shares = _shares(rows)
    value = float(positive_shares.mean())
    variance = _variance(positive_shares) + _variance(negative_shares)
    found = normal_estimate(value, variance, n=len(rows), confidence=confidence)
    return found._replace(
        low=max(found.low, 0.0), high=min(found.high, 1.0), p_value=math.nan, reason=""
    )


def delong_test(
    first: ArrayLike, second: ArrayLike, targets: ArrayLike, *, confidence: float = 0.95
) -> Estimate:
    """AUC of the first predictions minus that of the second, on the same rows, and its p value.

    Raises:
        MetricInputError: shapes that do not fit, or a confidence outside 0 to 1.

    Example:
        >>> targets = [0, 0, 0, 1, 1, 1]
        >>> gap = delong_test([1, 2, 3, 4, 5, 6], [1, 5, 3, 4, 2, 6], targets)
        >>> round(gap.value, 4), gap.n
        (0.3333, 6)
    """
    check_confidence(confidence)
    ones, others = read_rows(first, targets, None), read_rows(second, targets, None)
    reason = _reason(ones, others)
    if reason:
        return Estimate(math.nan, n=len(ones), reason=reason)
    ones_by_class, others_by_class = _shares(ones), _shares(others)
    positive, negative = (a - b for a, b in zip(ones_by_class, others_by_class, strict=True))
    return normal_estimate(
        float(positive.mean()),
        _variance(positive) + _variance(negative),
        n=len(ones),
        confidence=confidence,
    )


def _reason(*models: Rows) -> str:
    """Why the models' rows allow no variance; empty where they do."""
    faults = [find_fault(rows, ZERO_OR_ONE) for rows in models]
    if any(faults):
        return next(fault for fault in faults if fault)
    n_positive = models[0].n_positive
    n_negative = len(models[0]) - n_positive
    if min(n_positive, n_negative) >= 2:
        return ""
    return (
        f"a variance needs 2 rows of each class, got {n_positive} positive and "
        f"{n_negative} negative"
    )


def _shares(rows: Rows) -> tuple[FloatArray, FloatArray]:
    """For each positive the share of negatives below it; for each negative of positives above."""
    positive = rows.targets > 0
    ranks = _midranks(rows.predictions)
    num_positive, num_negative = np.count_nonzero(positive), np.count_nonzero(~positive)
    above_negatives = (ranks[positive] - _midranks(rows.predictions[positive])) / num_negative
    above_positives = (ranks[~positive] - _midranks(rows.predictions[~positive])) / num_positive
    return above_negatives, 1 - above_positives


def _midranks(values: FloatArray) -> FloatArray:
    order = np.argsort(values, kind="stable")
    starts = run_starts(values[order])
    lengths = np.diff(np.append(starts, len(values)))
    ranks = np.empty(len(values))
    ranks[order] = np.repeat(starts + (lengths + 1) / 2, lengths)
    return ranks


def _variance(shares: FloatArray) -> float:
    """The variance of the mean of these shares."""
    return float(shares.var(ddof=1)) / len(shares)
