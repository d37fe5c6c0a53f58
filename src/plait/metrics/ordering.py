"""How well a score orders rows by a number: concordance of pairs, and the Gini of value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .grouping import run_starts, run_totals, totals
from .metric import Collected, CollectedMetric
from .rows import NOT_NEGATIVE, FloatArray, IntArray, Rows, find_fault, read_rows, unknown
from .value import Value

__all__ = ["XAUC", "NormalisedGini", "normalised_gini", "xauc"]


def xauc(predictions: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None = None) -> Value:
    """The chance that of two rows with unlike targets the greater one scores higher.

    AUC for numbers such as watch time (Zhan et al., `Deconfounding Duration Bias in Watch-time
    Prediction <https://arxiv.org/abs/2206.06003>`_, 2022); tied scores count one half. Exact, in
    O(n log n): all pairs are counted, none is sampled. A pair weighs the product of its weights.

    Raises:
        MetricInputError: shapes that do not fit, or weights that are negative or not finite.

    Example:
        >>> round(xauc([1.0, 3.0, 2.0], [10.0, 20.0, 30.0]).value, 4)
        0.6667
    """
    rows = read_rows(predictions, targets, weights)
    reason = find_fault(rows) or _constant_reason(rows)
    if reason:
        return unknown(reason, rows)
    # Among tied predictions the greatest target comes first, so that no tie looks concordant.
    ordered = rows.take(np.lexsort((-rows.targets, rows.predictions)))
    values, ranks = np.unique(ordered.targets, return_inverse=True)
    concordant = _rising_weight(ranks, ordered.weights)
    # Pairs tied in the prediction, less those tied in the target too.
    by_prediction = run_starts(ordered.predictions)
    by_both = run_starts(ordered.predictions, ordered.targets)
    tied = _pair_weight(run_totals(ordered.weights, by_prediction))
    tied -= _pair_weight(run_totals(ordered.weights, by_both))
    total = _pair_weight(ordered.weights.sum(keepdims=True))
    total -= _pair_weight(totals(ranks, ordered.weights, len(values)))
    return Value((concordant + tied / 2) / total, len(rows))


def normalised_gini(
    predictions: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None = None
) -> Value:
    """How much of the value the best-scored rows hold, against a perfect order: 0 random, 1 best.

    The Gini coefficient of the targets in the order of the scores over that in their own order
    (Wang et al., `A Deep Probabilistic Model for Customer Lifetime Value Prediction
    <https://arxiv.org/abs/1912.07753>`_, 2019). Tied scores share their value evenly. On targets of
    0 and 1 it is twice the AUC less one.

    Raises:
        MetricInputError: shapes that do not fit, or weights that are negative or not finite.

    Example:
        >>> round(normalised_gini([3.0, 2.0, 1.0], [10.0, 0.0, 5.0]).value, 4)
        0.5
    """
    rows = read_rows(predictions, targets, weights)
    reason = find_fault(rows, NOT_NEGATIVE) or _constant_reason(rows)
    if reason:
        return unknown(reason, rows)
    value = _gini(rows, rows.predictions) / _gini(rows, rows.targets)
    return Value(value, len(rows))


@dataclass(eq=False)
class XAUC(CollectedMetric):
    """`xauc` over all rows.

    Stability: stable.
    """

    name = "xauc"
    higher_is_better = True

    def _measure(self, rows: Collected) -> Value:
        return xauc(rows.predictions, rows.targets, weights=rows.weights)


@dataclass(eq=False)
class NormalisedGini(CollectedMetric):
    """`normalised_gini` over all rows.

    Stability: stable.
    """

    name = "normalised_gini"
    higher_is_better = True

    def _measure(self, rows: Collected) -> Value:
        return normalised_gini(rows.predictions, rows.targets, weights=rows.weights)


def _constant_reason(rows: Rows) -> str:
    same = rows.targets.min() == rows.targets.max()
    return f"all {len(rows)} targets are the same" if same else ""


def _pair_weight(totals: FloatArray) -> float:
    """The weight of all pairs within sets of these weights, each row paired with itself by half.

    Those halves cancel in differences over the same rows.
    """
    return float(np.square(totals).sum()) / 2


def _rising_weight(ranks: IntArray, weights: FloatArray) -> float:
    """The weight of the pairs, first before second, whose rank rises.

    A merge sort from the top: each round splits every node (ranks that agree in their leading
    bits, in their original order) by the next bit, stably. A pair rises at the round that parts
    it, where the lower half's weight before each member of the upper half is one running sum.
    """
    first = np.concatenate([[0], np.cumsum(np.bincount(ranks))])  # where each rank will end up
    rising = 0.0
    for bit in reversed(range(int(ranks.max()).bit_length())):
        low = (ranks >> (bit + 1)) << (bit + 1)
        node = first[low]
        upper = (ranks >> bit) & 1 == 1
        lower_weight = np.concatenate([[0.0], np.cumsum(np.where(upper, 0.0, weights))])
        gained = lower_weight[:-1][upper] - lower_weight[node[upper]]
        rising += float((weights[upper] * gained).sum())
        lower_count = np.concatenate([[0], np.cumsum(~upper)])
        lower_before = lower_count[:-1] - lower_count[node]
        upper_before = np.arange(len(ranks)) - node - lower_before
        upper_node = first[np.minimum(low + (1 << bit), len(first) - 1)]
        places = np.where(upper, upper_node + upper_before, node + lower_before)
        order = np.empty_like(places)
        order[places] = np.arange(len(places))
        ranks, weights = ranks[order], weights[order]
    return rising


def _gini(rows: Rows, score: FloatArray) -> float:
    """Twice the area between the curve of captured value, best score first, and the diagonal."""
    order = np.argsort(-score, kind="stable")
    starts = run_starts(score[order])
    weights = rows.weights[order]
    mass = run_totals(weights, starts)
    value = run_totals(weights * (rows.targets[order] / rows.targets.max()), starts)
    captured = np.cumsum(value) - value / 2  # halfway through each run
    return float(2 * (mass * captured).sum() / (mass.sum() * value.sum()) - 1)
