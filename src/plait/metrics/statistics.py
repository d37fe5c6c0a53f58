"""Whether a difference between two models is more than noise: of the rows, or of the seed."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from plait.errors import MetricInputError

from .rows import FloatArray, to_floats

__all__ = ["Estimate", "holm", "mean_interval", "paired_difference"]


class Estimate(NamedTuple):
    """A number with its uncertainty.

    Stability: stable.

    Attributes:
        value: the number; nan where it cannot be computed.
        standard_error: its standard error.
        low: lower end of the confidence interval.
        high: upper end.
        p_value: two-sided, for the hypothesis of no difference; nan where none is tested.
        n: what was counted: rows, clusters or seeds.
        reason: why something is nan; empty otherwise.
    """

    value: float
    standard_error: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p_value: float = math.nan
    n: int = 0
    reason: str = ""


def mean_interval(values: ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """The mean over seeds (or days, or folds) with Student's t interval.

    Raises:
        MetricInputError: values not of shape [n], or a confidence outside 0 to 1.

    Example:
        >>> low, high = mean_interval([0.70, 0.72, 0.74])[2:4]
        >>> round(low, 4), round(high, 4)
        (0.6703, 0.7697)
    """
    check_confidence(confidence)
    numbers = to_floats(values, "values")
    if numbers.ndim != 1:
        raise MetricInputError(f"`values` must be of shape [n], got {numbers.shape}.")
    n = len(numbers)
    if not np.isfinite(numbers).all():
        missing = int(np.count_nonzero(~np.isfinite(numbers)))
        return Estimate(math.nan, n=n, reason=f"{missing} of {n} values are not finite")
    if n < 2:
        value = float(numbers[0]) if n else math.nan
        return Estimate(value, n=n, reason=f"an interval needs 2 values, got {n}")
    mean = float(numbers.mean())
    error = float(numbers.std(ddof=1)) / math.sqrt(n)
    reach = float(special.stdtrit(n - 1, (1 + confidence) / 2)) * error
    return Estimate(mean, error, mean - reach, mean + reach, n=n)


def paired_difference(first: ArrayLike, second: ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Mean of first minus second over the same seeds, with a paired t interval and p value.

    Pairing takes out what a seed does to both models alike.

    Raises:
        MetricInputError: shapes that differ or are not [n], or a confidence outside 0 to 1.

    Example:
        >>> gap = paired_difference([0.71, 0.73, 0.75], [0.70, 0.71, 0.75])
        >>> round(gap.value, 4), round(gap.p_value, 4)
        (0.01, 0.2254)
    """
    ones, others = to_floats(first, "first"), to_floats(second, "second")
    if ones.shape != others.shape:
        raise MetricInputError(
            f"`first` has shape {ones.shape} and `second` {others.shape}; a pair needs a value of "
            "each for every seed."
        )
    with np.errstate(invalid="ignore"):  # inf - inf is nan, and nan is reported
        found = mean_interval(ones - others, confidence=confidence)
    if found.reason:
        return found
    if found.standard_error == 0:
        return without_spread(found)
    t = abs(found.value) / found.standard_error
    return found._replace(p_value=float(2 * special.stdtr(found.n - 1, -t)))


def holm(p_values: ArrayLike) -> FloatArray:
    """P values adjusted for testing several tasks at once, in the order given.

    Holm's step-down rule (1979): the chance of any false alarm stays below the level, whatever
    the dependence between tasks. Tests that could not be made (nan) stay nan and are not counted.

    Raises:
        MetricInputError: values not of shape [n], or outside 0 to 1.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        array([0.03, 0.06, 0.06])
    """
    p = to_floats(p_values, "p_values")
    if p.ndim != 1 or ((p < 0) | (p > 1)).any():
        raise MetricInputError(
            f"`p_values` must be of shape [n] and lie between 0 and 1, got {p!r}."
        )
    made = np.flatnonzero(~np.isnan(p))
    order = made[np.argsort(p[made], kind="stable")]
    adjusted = np.full_like(p, math.nan)
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * factors), 1.0)
    return adjusted


def normal_estimate(value: float, variance: float, *, n: int, confidence: float) -> Estimate:
    """An estimate whose error is normal, tested against zero."""
    error = math.sqrt(max(variance, 0.0))
    reach = NormalDist().inv_cdf((1 + confidence) / 2) * error
    found = Estimate(value, error, value - reach, value + reach, n=n)
    if error == 0:
        return without_spread(found)
    return found._replace(p_value=math.erfc(abs(value) / error / math.sqrt(2)))


def without_spread(found: Estimate) -> Estimate:
    """No test can be made on a standard error of zero, unless there is no difference at all."""
    if found.value == 0:
        return found._replace(p_value=1.0)
    return found._replace(reason="the standard error is zero: no test can be made")


def check_confidence(confidence: float) -> None:
    """Refuse 95 where 0.95 is meant.

    Raises:
        MetricInputError: a confidence that is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise MetricInputError(
            f"`confidence` must lie between 0 and 1, such as 0.95, got {confidence}."
        )
