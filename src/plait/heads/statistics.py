"""Weighted statistics of training labels. A row of weight 2 counts as two rows, everywhere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def mean_and_spread(values: Floats, weights: Floats) -> tuple[float, float]:
    """Weighted mean and standard deviation, for scales to divide by.

    The deviation of values that do not vary, up to rounding, is given as 1.

    Example:
        >>> mean_and_spread(np.array([1.0, 5.0]), np.array([3.0, 1.0]))
        (2.0, 1.7320508075688772)
    """
    mean = float(np.average(values, weights=weights))
    spread = float(np.sqrt(np.average((values - mean) ** 2, weights=weights)))
    return mean, spread if spread > 1e-6 * abs(mean) else 1.0


def inner_rate(rate: Floats | float, num_rows: int) -> Floats:
    """Rates kept away from 0 and 1 by what `num_rows` rows can tell, for logarithms to be finite.

    The margin is that of Laplace's rule of succession, `1 / (num_rows + 2)`.
    """
    margin = 1.0 / (num_rows + 2)
    return np.asarray(np.clip(rate, margin, 1.0 - margin))


def weighted_quantiles(values: Floats, weights: Floats, levels: Floats) -> Floats:
    """Quantiles as values that occur: the smallest whose cumulated weight reaches the level.

    Example:
        >>> weighted_quantiles(np.array([3.0, 1.0, 2.0]), np.ones(3), np.array([0.0, 0.5, 1.0]))
        array([1., 2., 3.])
    """
    counted = weights > 0
    order = np.argsort(values[counted], kind="stable")
    cumulated = np.cumsum(weights[counted][order])
    # Sums of weights carry rounding: a level that is met up to that counts as met.
    reached = np.searchsorted(cumulated, levels * cumulated[-1] * (1.0 - 1e-12))
    return np.asarray(values[counted][order][np.minimum(reached, len(order) - 1)])


def equal_mass_edges(values: Floats, weights: Floats, num_groups: int) -> Floats:
    """Upper edges of all groups but the last, for groups of about equal weight.

    An edge is a value that occurs, and its rows belong to the lower group. Where many rows share a
    value, the edge is the one whose cumulated weight is nearest to the wanted one, so that two
    values make two groups however unequal they are.

    Example:
        >>> equal_mass_edges(np.array([5.0, 9.0, 9.0]), np.ones(3), 2)
        array([5.])
    """
    distinct, inverse = np.unique(values[weights > 0], return_inverse=True)
    cumulated = np.cumsum(np.bincount(inverse, weights=weights[weights > 0]))
    wanted = cumulated[-1] * np.arange(1, num_groups) / num_groups
    upper = np.minimum(np.searchsorted(cumulated, wanted), len(distinct) - 1)
    lower = np.maximum(upper - 1, 0)
    lower_is_nearer = wanted - cumulated[lower] < cumulated[upper] - wanted
    return np.asarray(distinct[np.where(lower_is_nearer, lower, upper)])
