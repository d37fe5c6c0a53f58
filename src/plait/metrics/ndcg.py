"""Normalised discounted cumulative gain: graded lists, whose first places count most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from plait.errors import MetricInputError

from .grouping import GroupedRows, read_grouped_rows, run_starts, run_totals, totals
from .lists import AtK, average_lists, check_k, places_in_groups
from .metric import Collected
from .rows import NOT_NEGATIVE, FloatArray, unknown
from .value import Value

__all__ = ["NDCG", "ndcg"]

Gain = Literal["linear", "exponential"]


def ndcg(
    predictions: ArrayLike,
    targets: ArrayLike,
    groups: ArrayLike,
    *,
    k: int = 10,
    gain: Gain = "linear",
    weights: ArrayLike | None = None,
) -> Value:
    """Discounted gain of the first k rows of each list, against that of the best order.

    Graded targets count as they are (`linear`, as scikit-learn) or as 2^target - 1
    (`exponential`, Burges et al., 2005). Tied scores share their places evenly, so that the order
    of rows plays no part (McSherry and Najork, 2008).

    Raises:
        MetricInputError: shapes that do not fit, k below 1, or an unknown gain.

    Example:
        >>> round(ndcg([0.9, 0.8, 0.7], [0, 1, 2], [7, 7, 7], k=2).value, 4)
        0.2398
    """
    check_k(k)
    _check_gain(gain)
    grouped = read_grouped_rows(predictions, targets, groups, weights)
    reason = grouped.find_fault(NOT_NEGATIVE)
    if reason:
        return unknown(reason, grouped.rows, n_positive=grouped.rows.n_positive)
    gains = grouped.rows.targets
    if gain == "exponential":
        if gains.max() > 1000:
            reason = f"targets reach {gains.max():g}, too large for the exponential gain"
            return unknown(reason, grouped.rows, n_positive=grouped.rows.n_positive)
        gains = np.exp2(gains) - 1
    return average_lists(grouped, _ndcg_by_list(grouped, gains, k))


@dataclass(eq=False)
class NDCG(AtK):
    """`ndcg` over all lists.

    Stability: stable.

    Attributes:
        k: places of the list that count.
        gain: graded targets as they are, or 2^target - 1.
    """

    label = "ndcg"

    gain: Gain = "linear"

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_gain(self.gain)

    def _measure(self, rows: Collected) -> Value:
        assert rows.groups is not None  # `compute` has seen to it
        return ndcg(
            rows.predictions,
            rows.targets,
            rows.groups,
            k=self.k,
            gain=self.gain,
            weights=rows.weights,
        )


def _check_gain(gain: Gain) -> None:
    if gain not in ("linear", "exponential"):
        raise MetricInputError(f"`gain` is 'linear' or 'exponential', got {gain!r}.")


def _ndcg_by_list(grouped: GroupedRows, gains: FloatArray, k: int) -> FloatArray:
    codes, predictions = grouped.codes, grouped.rows.predictions
    discounts = 1 / np.log2(np.arange(grouped.sizes.max()) + 2.0)
    discounts[k:] = 0.0
    until = np.concatenate([[0.0], np.cumsum(discounts)])  # discount of the places before each

    order = np.lexsort((-predictions, codes))
    starts = run_starts(codes[order], predictions[order])
    lengths = np.diff(np.append(starts, len(codes)))
    begin = places_in_groups(codes[order])[starts]
    shared = (until[begin + lengths] - until[begin]) / lengths  # tied rows share their places
    run_gains = run_totals(gains[order], starts) * shared
    gained = totals(codes[order][starts], run_gains, grouped.num_groups)

    best = np.lexsort((-gains, codes))
    ideal_gains = gains[best] * discounts[places_in_groups(codes[best])]
    ideal = totals(codes[best], ideal_gains, grouped.num_groups)
    return np.divide(gained, ideal, out=np.zeros_like(gained), where=ideal > 0)
