"""How far predicted numbers are from the true ones, in raw units."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .additive import Additive, SummedMetric
from .rows import NOT_NEGATIVE, Check, FloatArray, Rows
from .value import Value

__all__ = [
    "MAE",
    "RMSE",
    "PoissonDeviance",
    "mae",
    "poisson_deviance",
    "rmse",
]


def _deviance(rows: Rows) -> FloatArray:
    actual, predicted = rows.targets, rows.predictions
    ratio = np.where(actual > 0, actual, predicted) / predicted  # 1 where nothing happened
    return 2 * (actual * np.log(ratio) - actual + predicted)[None]


_RMSE = Additive(
    terms=lambda rows: np.square(rows.predictions - rows.targets)[None],
    conclude=lambda means: math.sqrt(means[0]),
    counts_positives=False,
)
_MAE = Additive(
    terms=lambda rows: np.abs(rows.predictions - rows.targets)[None],
    conclude=lambda means: float(means[0]),
    counts_positives=False,
)
_POISSON_DEVIANCE = Additive(
    terms=_deviance,
    conclude=lambda means: float(means[0]),
    checks=(
        Check("predictions are not above 0", lambda rows: rows.predictions <= 0),
        NOT_NEGATIVE,
    ),
    counts_positives=False,
)


def rmse(predictions: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None = None) -> Value:
    """Root of the mean squared error: large misses count most. Least for the conditional mean.

    Raises:
        MetricInputError: shapes that do not fit, or weights that are negative or not finite.

    Example:
        >>> rmse([1.0, 5.0], [1.0, 1.0], weights=[3, 1]).value
        2.0
    """
    return _RMSE(predictions, targets, weights=weights)


def mae(predictions: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None = None) -> Value:
    """Mean absolute error: every unit of a miss counts alike. Least for the conditional median.

    Raises:
        MetricInputError: shapes that do not fit, or weights that are negative or not finite.

    Example:
        >>> mae([1.0, 5.0], [1.0, 1.0]).value
        2.0
    """
    return _MAE(predictions, targets, weights=weights)


def poisson_deviance(
    predictions: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None = None
) -> Value:
    """Mean Poisson deviance of predicted counts, which must be above zero: 0 is perfect.

    Raises:
        MetricInputError: shapes that do not fit, or weights that are negative or not finite.

    Example:
        >>> round(poisson_deviance([1.0, 1.0], [0, 2]).value, 4)
        1.3863
    """
    return _POISSON_DEVIANCE(predictions, targets, weights=weights)


@dataclass(eq=False)
class RMSE(SummedMetric):
    """`rmse` over all rows.

    Stability: stable.
    """

    name = "rmse"
    higher_is_better = False
    measure = _RMSE


@dataclass(eq=False)
class MAE(SummedMetric):
    """`mae` over all rows.

    Stability: stable.
    """

    name = "mae"
    higher_is_better = False
    measure = _MAE


@dataclass(eq=False)
class PoissonDeviance(SummedMetric):
    """`poisson_deviance` over all rows.

    Stability: stable.
    """

    name = "poisson_deviance"
    higher_is_better = False
    measure = _POISSON_DEVIANCE
