"""How well one of several classes is told: accuracy, log loss, agreement of ordered classes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from plait.errors import MetricInputError

from .additive import Additive, SummedMetric
from .calibration import CLIP
from .rows import PROBABILITIES, BoolArray, Check, FloatArray, Rows, read_class_rows
from .value import Value

__all__ = [
    "Accuracy",
    "MulticlassLogLoss",
    "QuadraticWeightedKappa",
    "accuracy",
    "multiclass_log_loss",
    "quadratic_weighted_kappa",
]

SUM_TOLERANCE = 1e-3
"""How far the probabilities of a row may miss 1: half precision rounds, logits miss by far."""


def _classes(rows: Rows) -> FloatArray:
    predictions = rows.predictions
    return predictions if predictions.ndim == 1 else predictions.argmax(axis=1).astype(np.float64)


def _unknown_classes(rows: Rows) -> BoolArray:
    wrong: BoolArray = rows.targets != np.floor(rows.targets)
    if rows.predictions.ndim == 2:
        wrong |= (rows.targets < 0) | (rows.targets >= rows.predictions.shape[1])
    return wrong


def _fractional_predictions(rows: Rows) -> BoolArray:
    if rows.predictions.ndim == 2:
        return np.zeros(len(rows), dtype=np.bool_)
    wrong: BoolArray = rows.predictions != np.floor(rows.predictions)
    return wrong


def _unscaled(rows: Rows) -> BoolArray:
    wrong: BoolArray = np.abs(rows.predictions.sum(axis=1) - 1) > SUM_TOLERANCE
    return wrong


def _read_probabilities(
    predictions: ArrayLike, targets: ArrayLike, weights: ArrayLike | None
) -> Rows:
    rows = read_class_rows(predictions, targets, weights)
    if rows.predictions.ndim != 2:
        raise MetricInputError(
            f"`predictions` has shape {rows.predictions.shape}; multiclass log loss needs the "
            "probabilities of all classes, [n, C]. For one probability a row use `log_loss`."
        )
    return rows


def _class_cross_entropy(rows: Rows) -> FloatArray:
    picked = rows.predictions[np.arange(len(rows)), rows.targets.astype(np.int64)]
    return -np.log(np.clip(picked, CLIP, 1.0))[None]


def _agreement_terms(rows: Rows) -> FloatArray:
    predicted = _classes(rows)
    return np.stack(
        [
            np.square(predicted - rows.targets),
            predicted,
            rows.targets,
            np.square(predicted),
            np.square(rows.targets),
        ]
    )


def _kappa(means: FloatArray) -> float:
    observed, predicted, actual, predicted_square, actual_square = (float(m) for m in means)
    by_chance = predicted_square + actual_square - 2 * predicted * actual
    # With one class everywhere the difference is exactly zero or a rounding error.
    if by_chance <= 1e-12 * (predicted_square + actual_square):
        return math.nan
    return 1 - observed / by_chance


_CLASS_TARGETS = Check("targets are not the number of a class", _unknown_classes)
_CLASS_PREDICTIONS = Check(
    "predictions are not the number of a class: pass classes, or probabilities of shape [n, C]",
    _fractional_predictions,
)
_ACCURACY = Additive(
    terms=lambda rows: (_classes(rows) == rows.targets).astype(np.float64)[None],
    conclude=lambda means: float(means[0]),
    checks=(_CLASS_PREDICTIONS, _CLASS_TARGETS),
    read=read_class_rows,
    counts_positives=False,
)
_MULTICLASS_LOG_LOSS = Additive(
    terms=_class_cross_entropy,
    conclude=lambda means: float(means[0]),
    checks=(
        PROBABILITIES,
        Check("rows of predictions do not sum to 1: pass probabilities", _unscaled),
        _CLASS_TARGETS,
    ),
    read=_read_probabilities,
    counts_positives=False,
)
_QUADRATIC_WEIGHTED_KAPPA = Additive(
    terms=_agreement_terms,
    conclude=_kappa,
    reason="predictions and targets are all of one class",
    checks=(_CLASS_PREDICTIONS, _CLASS_TARGETS),
    read=read_class_rows,
    counts_positives=False,
)


def accuracy(
    predictions: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None = None
) -> Value:
    """Share of rows whose class is right.

    Predictions are classes [n], or probabilities [n, C] of which the greatest counts (the first
    of equal ones). Targets are class numbers from 0.

    Raises:
        MetricInputError: shapes that do not fit, or weights that are negative or not finite.

    Example:
        >>> accuracy([[0.7, 0.2, 0.1], [0.3, 0.3, 0.4]], [0, 1]).value
        0.5
    """
    return _ACCURACY(predictions, targets, weights=weights)


def multiclass_log_loss(
    predictions: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None = None
) -> Value:
    """Mean of minus the log of the probability of the right class, in nats, clipped at 1e-7.

    Raises:
        MetricInputError: shapes that do not fit, or weights that are negative or not finite.

    Example:
        >>> round(multiclass_log_loss([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]], [0, 2]).value, 4)
        0.3466
    """
    return _MULTICLASS_LOG_LOSS(predictions, targets, weights=weights)


def quadratic_weighted_kappa(
    predictions: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None = None
) -> Value:
    """Agreement of ordered classes (stars) beyond chance, where far misses cost by their square.

    Cohen's weighted kappa (1968): 1 minus the mean squared distance over that of independent
    draws from the two marginals. 1 is full agreement, 0 that of chance. A class that no row has
    still keeps its neighbours apart; scikit-learn does so only if given `labels`.

    Raises:
        MetricInputError: shapes that do not fit, or weights that are negative or not finite.

    Example:
        >>> quadratic_weighted_kappa([0, 1, 2, 2], [0, 1, 2, 1]).value
        0.8
    """
    return _QUADRATIC_WEIGHTED_KAPPA(predictions, targets, weights=weights)


@dataclass(eq=False)
class Accuracy(SummedMetric):
    """`accuracy` over all rows.

    Stability: stable.
    """

    name = "accuracy"
    higher_is_better = True
    measure = _ACCURACY


@dataclass(eq=False)
class MulticlassLogLoss(SummedMetric):
    """`multiclass_log_loss` over all rows.

    Stability: stable.
    """

    name = "log_loss"
    higher_is_better = False
    measure = _MULTICLASS_LOG_LOSS


@dataclass(eq=False)
class QuadraticWeightedKappa(SummedMetric):
    """`quadratic_weighted_kappa` over all rows.

    Stability: stable.
    """

    name = "quadratic_weighted_kappa"
    higher_is_better = True
    measure = _QUADRATIC_WEIGHTED_KAPPA
