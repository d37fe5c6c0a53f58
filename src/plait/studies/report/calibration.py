"""Calibration curves: what was promised and what came, in bins of equal mass."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from plait.studies.opened import OpenedRun
from plait.training.judging import JudgedRows

from .judging import judged_of

__all__ = ["CalibrationBin", "CalibrationCurve", "calibration_bins", "calibration_curve"]

NUM_BINS = 10
_UNORDERED = ("multiclass", "ranking")


class CalibrationBin(NamedTuple):
    """Rows of like predictions.

    Attributes:
        predicted: their mean prediction.
        actual: their mean label.
        n: rows.
        error: half of the 95 % interval of the mean label.
    """

    predicted: float
    actual: float
    n: int
    error: float


@dataclass(frozen=True)
class CalibrationCurve:
    """One output's bins in the order of their predictions; `reason` says why there are none."""

    output: str
    bins: tuple[CalibrationBin, ...]
    reason: str = ""


def calibration_curve(run: OpenedRun, output: str, *, least_rows: int) -> CalibrationCurve:
    """The curve of an output on the judged rows: up to 10 bins of `least_rows` rows or more."""
    if run.task(output).kind in _UNORDERED:
        return CalibrationCurve(output, (), "predictions of this kind of task are no amounts")
    judged, _ = judged_of(run, output, run.predictions[output])
    most = min(NUM_BINS, len(judged.targets) // max(1, least_rows))
    for num_bins in range(most, 1, -1):  # rows of one prediction may leave a bin with too few
        bins = calibration_bins(judged, num_bins=num_bins)
        if len(bins) > 1 and min(one.n for one in bins) >= least_rows:
            return CalibrationCurve(output, bins)
    return CalibrationCurve(output, (), f"fewer than 2 bins of {least_rows} rows")


def calibration_bins(judged: JudgedRows, *, num_bins: int) -> tuple[CalibrationBin, ...]:
    """Bins of equal weight; rows of one prediction share a bin, so that some may be empty.

    Example:
        >>> import numpy as np
        >>> predictions = np.array([0.2, 0.4, 0.6, 0.8], dtype=np.float32)
        >>> rows = JudgedRows(predictions, np.array([0.0, 0.0, 1.0, 1.0]), None, None)
        >>> [round(float(found.predicted), 2) for found in calibration_bins(rows, num_bins=2)]
        [0.3, 0.7]
    """
    predictions = judged.predictions.astype(np.float64)
    weights = np.ones(len(predictions)) if judged.weights is None else judged.weights
    distinct, places = np.unique(predictions, return_inverse=True)
    mass = np.bincount(places, weights, len(distinct))
    middle = (np.cumsum(mass) - mass / 2) / mass.sum()
    bins = np.minimum((middle * num_bins).astype(np.int64), num_bins - 1)[places]
    found = []
    for number in range(num_bins):
        inside = (bins == number) & (weights > 0)
        if inside.any():
            found.append(_bin(predictions[inside], judged.targets[inside], weights[inside]))
    return tuple(found)


def _bin(
    predictions: NDArray[np.float64], targets: NDArray[np.float64], weights: NDArray[np.float64]
) -> CalibrationBin:
    mean, actual = (float(np.average(v, weights=weights)) for v in (predictions, targets))
    variance = float(np.average(np.square(targets - actual), weights=weights)) / weights.sum()
    return CalibrationBin(mean, actual, len(targets), 1.96 * math.sqrt(variance))
