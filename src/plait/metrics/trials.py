"""Aggregated rows (impressions and clicks per item) as rows that every metric reads."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plait.errors import MetricInputError

from .rows import FloatArray, to_floats

__all__ = ["TrialRows", "expand_trials"]


class TrialRows(NamedTuple):
    """Weighted rows of 0 and 1: first the successes of every aggregated row, then the failures.

    Stability: stable.

    Attributes:
        predictions: [2n].
        targets: [2n], 1 or 0.
        weights: [2n], successes or failures; 0 where there were none.
        groups: [2n] where groups were given.
    """

    predictions: FloatArray
    targets: FloatArray
    weights: FloatArray
    groups: NDArray[np.generic] | None


def expand_trials(
    predictions: ArrayLike,
    success_rate: ArrayLike,
    trials: ArrayLike,
    *,
    groups: ArrayLike | None = None,
) -> TrialRows:
    """Two weighted rows for each aggregated one, for any metric of 0 and 1.

    An AUC needs positive and negative rows, and an aggregated row is neither: it becomes a positive
    row that weighs its successes and a negative one that weighs its failures. The answer is that
    of one row for each trial. Rows without trials weigh nothing, whatever their rate.

    Raises:
        MetricInputError: shapes that differ, rates outside 0 to 1, trials below 0.

    Example:
        >>> rows = expand_trials([0.2, 0.9], success_rate=[0.25, 1.0], trials=[4, 2])
        >>> rows.targets, rows.weights
        (array([1., 1., 0., 0.]), array([1., 2., 3., 0.]))
    """
    scores = to_floats(predictions, "predictions")
    rates = to_floats(success_rate, "success_rate")
    counts = to_floats(trials, "trials")
    keys = None if groups is None else np.asarray(groups)
    given = (scores, rates, counts) if keys is None else (scores, rates, counts, keys)
    shapes = {array.shape for array in given}
    if len(shapes) != 1 or scores.ndim != 1:
        raise MetricInputError(
            "`predictions`, `success_rate`, `trials` and `groups` must be of one shape [n], got "
            f"the shapes {sorted(shapes)}."
        )
    if not (np.isfinite(counts) & (counts >= 0)).all():
        wrong_count = counts[~(np.isfinite(counts) & (counts >= 0))][0]
        raise MetricInputError(f"`trials` must be finite and not below 0, got {wrong_count}.")
    rates = np.where(counts > 0, rates, 0.0)
    wrong = ~((rates >= 0) & (rates <= 1))
    if wrong.any():
        raise MetricInputError(
            f"`success_rate` must lie between 0 and 1, got {rates[wrong][0]}. Divide the number "
            "of successes by the number of trials."
        )
    return TrialRows(
        np.tile(scores, 2),
        np.repeat([1.0, 0.0], len(scores)),
        np.concatenate([counts * rates, counts * (1 - rates)]),
        None if keys is None else np.tile(keys, 2),
    )
