"""The rows a metric reads: checked once, in float64, without those of weight zero."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plait.errors import MetricInputError

from .value import Value

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

WEIGHT_RANGE = (1e-100, 1e100)
"""Weights of pairs are products; beyond this they would leave the range of 64 bit numbers."""


@dataclass(frozen=True, eq=False)
class Rows:
    """What a metric computes on: every array float64 and finite in its weights.

    Attributes:
        predictions: [n], or [n, C] for probabilities of C classes.
        targets: [n].
        weights: [n], all positive.
    """

    predictions: FloatArray
    targets: FloatArray
    weights: FloatArray

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def n_positive(self) -> int:
        """Rows whose target is above zero."""
        return int(np.count_nonzero(self.targets > 0))

    def take(self, chosen: BoolArray | IntArray) -> Rows:
        """The chosen rows, in the order chosen."""
        return Rows(self.predictions[chosen], self.targets[chosen], self.weights[chosen])


class Check(NamedTuple):
    """A fault that rows may have, and the words for it.

    Attributes:
        complaint: what is said after "3 of 10", in the plural.
        fails: rows -> [n] bool, true where the row has the fault.
    """

    complaint: str
    fails: Callable[[Rows], BoolArray]


def _infinite_predictions(rows: Rows) -> BoolArray:
    return _any_of_row(~np.isfinite(rows.predictions))


def _unlikely_predictions(rows: Rows) -> BoolArray:
    return _any_of_row((rows.predictions < 0) | (rows.predictions > 1))


def _any_of_row(wrong: BoolArray) -> BoolArray:
    return wrong if wrong.ndim == 1 else np.asarray(wrong.any(axis=1), dtype=np.bool_)


FINITE = (
    Check("predictions are not finite", _infinite_predictions),
    Check("targets are not finite", lambda rows: ~np.isfinite(rows.targets)),
)
PROBABILITIES = Check(
    "predictions lie outside 0 to 1: this metric reads probabilities, not logits",
    _unlikely_predictions,
)
ZERO_OR_ONE = Check(
    "targets are neither 0 nor 1: `expand_trials` turns rates into rows that are",
    lambda rows: (rows.targets != 0) & (rows.targets != 1),
)
RATES = Check("targets lie outside 0 to 1", lambda rows: (rows.targets < 0) | (rows.targets > 1))
NOT_NEGATIVE = Check("targets are negative", lambda rows: rows.targets < 0)


def read_rows(predictions: ArrayLike, targets: ArrayLike, weights: ArrayLike | None) -> Rows:
    """Rows with one prediction each.

    Raises:
        MetricInputError: shapes that do not fit, values that are no numbers, weights that are
            negative or not finite.
    """
    return _read(predictions, targets, weights, dimensions=(1,))


def read_class_rows(predictions: ArrayLike, targets: ArrayLike, weights: ArrayLike | None) -> Rows:
    """Rows with one class each ([n]) or the probabilities of all classes ([n, C]).

    Raises:
        MetricInputError: as `read_rows`.
    """
    return _read(predictions, targets, weights, dimensions=(1, 2))


def count_faults(rows: Rows, checks: tuple[Check, ...]) -> Counter[str]:
    """Complaint -> number of rows; complaints without rows are left out."""
    counts = {check.complaint: int(np.count_nonzero(check.fails(rows))) for check in checks}
    return Counter({complaint: count for complaint, count in counts.items() if count})


def describe_faults(faults: Counter[str], n: int) -> str:
    """One line for the reason of a `Value`; empty where there is nothing to say."""
    if n == 0:
        return "there are no rows"
    return "; ".join(f"{count} of {n} {complaint}" for complaint, count in faults.items())


def find_fault(rows: Rows, *checks: Check) -> str:
    """Why nothing can be computed on these rows; empty where something can."""
    return describe_faults(count_faults(rows, (*FINITE, *checks)), len(rows))


def one_class_reason(rows: Rows) -> str:
    """Why rows do not hold both classes; empty where they do."""
    n_positive = rows.n_positive
    if 0 < n_positive < len(rows):
        return ""
    kind = "positive" if n_positive else "negative"
    return f"all {len(rows)} rows are {kind}: both classes are needed"


def unknown(reason: str, rows: Rows, *, n_positive: int | None = None) -> Value:
    """The answer of a metric that has none."""
    return Value(float("nan"), n=len(rows), n_positive=n_positive, reason=reason)


def to_floats(values: ArrayLike, argument: str) -> FloatArray:
    """The values as a float64 array, or an error that names the argument."""
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise MetricInputError(
            f"`{argument}` must be an array of numbers, got {_describe(values)}: {error}."
        ) from error


def _read(
    predictions: ArrayLike,
    targets: ArrayLike,
    weights: ArrayLike | None,
    *,
    dimensions: tuple[int, ...],
) -> Rows:
    read = Rows(
        to_floats(predictions, "predictions"),
        to_floats(targets, "targets"),
        np.ones(np.shape(targets)) if weights is None else to_floats(weights, "weights"),
    )
    _check_shapes(read, dimensions)
    if weights is None:
        return read
    lightest, heaviest = WEIGHT_RANGE
    wrong = (read.weights != 0) & ~((read.weights >= lightest) & (read.weights <= heaviest))
    if wrong.any():
        raise MetricInputError(
            f"`weights` must be 0 or lie between {lightest} and {heaviest}; "
            f"{np.count_nonzero(wrong)} of {len(read)} do not, such as {read.weights[wrong][0]}. "
            "Give rows that should not count the weight 0."
        )
    present = read.weights > 0
    return read if present.all() else read.take(present)


def _check_shapes(rows: Rows, dimensions: tuple[int, ...]) -> None:
    predictions, targets, weights = rows.predictions, rows.targets, rows.weights
    fits = (
        targets.ndim == 1
        and targets.shape == weights.shape == predictions.shape[:1]
        and predictions.ndim in dimensions
    )
    if not fits:
        wanted = " or ".join("[n]" if size == 1 else "[n, C]" for size in dimensions)
        raise MetricInputError(
            f"`predictions` has shape {predictions.shape}, `targets` {targets.shape} and "
            f"`weights` {weights.shape}; expected {wanted}, [n] and [n] with one n. "
            "Pass one task at a time, flattened."
        )


def _describe(values: ArrayLike) -> str:
    dtype = getattr(values, "dtype", None)
    return type(values).__name__ if dtype is None else f"dtype {dtype}"
