"""What is found among the first k rows of a list: MRR, hit rate, precision, recall, MAP."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .grouping import GroupedRows, read_grouped_rows, run_starts, total_before, totals
from .lists import AtK, average_lists, check_k, places_in_groups
from .rows import BoolArray, FloatArray, IntArray, unknown
from .value import Value

__all__ = ["MAP", "MRR", "HitRate", "Precision", "Recall"]
__all__ += ["hit_rate", "mean_average_precision", "mrr", "precision", "recall"]


def mrr(
    predictions: ArrayLike,
    targets: ArrayLike,
    groups: ArrayLike,
    *,
    k: int = 10,
    weights: ArrayLike | None = None,
) -> Value:
    """One over the place of the first relevant row, 0 past place k: how soon a person finds one.

    Among tied scores the irrelevant rows come first: a constant score earns nothing by luck.

    Raises:
        MetricInputError: shapes that do not fit, or k below 1.

    Example:
        >>> mrr([0.9, 0.8, 0.3, 0.4], [0, 1, 1, 0], ["a", "a", "b", "b"]).value
        0.5
    """
    ranked = _Ranked.read(predictions, targets, groups, weights, k)
    if ranked.reason:
        return ranked.unknown()
    shares = np.where(ranked.relevant & (ranked.places < k), 1 / (ranked.places + 1.0), 0.0)
    best = np.maximum.reduceat(shares, run_starts(ranked.codes))
    return average_lists(ranked.grouped, best)


def hit_rate(
    predictions: ArrayLike,
    targets: ArrayLike,
    groups: ArrayLike,
    *,
    k: int = 10,
    weights: ArrayLike | None = None,
) -> Value:
    """Share of lists with a relevant row among the first k. Ties as in `mrr`.

    Raises:
        MetricInputError: shapes that do not fit, or k below 1.

    Example:
        >>> hit_rate([0.9, 0.8, 0.3, 0.4], [0, 1, 0, 1], ["a", "a", "b", "b"], k=1).value
        0.5
    """
    ranked = _Ranked.read(predictions, targets, groups, weights, k)
    if ranked.reason:
        return ranked.unknown()
    return average_lists(ranked.grouped, np.minimum(ranked.hits, 1.0))


def precision(
    predictions: ArrayLike,
    targets: ArrayLike,
    groups: ArrayLike,
    *,
    k: int = 10,
    weights: ArrayLike | None = None,
) -> Value:
    """Relevant rows among the first k, over k also where the list is shorter. Ties as in `mrr`.

    Raises:
        MetricInputError: shapes that do not fit, or k below 1.

    Example:
        >>> precision([0.9, 0.8, 0.3], [0, 1, 1], [7, 7, 7], k=2).value
        0.5
    """
    ranked = _Ranked.read(predictions, targets, groups, weights, k)
    if ranked.reason:
        return ranked.unknown()
    return average_lists(ranked.grouped, ranked.hits / k)


def recall(
    predictions: ArrayLike,
    targets: ArrayLike,
    groups: ArrayLike,
    *,
    k: int = 10,
    weights: ArrayLike | None = None,
) -> Value:
    """Share of a list's relevant rows that are among the first k. Ties as in `mrr`.

    Raises:
        MetricInputError: shapes that do not fit, or k below 1.

    Example:
        >>> recall([0.9, 0.8, 0.3], [1, 0, 1], [7, 7, 7], k=2).value
        0.5
    """
    ranked = _Ranked.read(predictions, targets, groups, weights, k)
    if ranked.reason:
        return ranked.unknown()
    return average_lists(ranked.grouped, ranked.hits / np.maximum(ranked.num_relevant, 1))


def mean_average_precision(
    predictions: ArrayLike,
    targets: ArrayLike,
    groups: ArrayLike,
    *,
    k: int = 10,
    weights: ArrayLike | None = None,
) -> Value:
    """Precision at the place of each relevant row up to k, over min(k, relevant rows).

    Ties as in `mrr`.

    Raises:
        MetricInputError: shapes that do not fit, or k below 1.

    Example:
        >>> round(mean_average_precision([0.9, 0.8, 0.3], [1, 0, 1], [7, 7, 7]).value, 4)
        0.8333
    """
    ranked = _Ranked.read(predictions, targets, groups, weights, k)
    if ranked.reason:
        return ranked.unknown()
    hit = ranked.relevant & (ranked.places < k)
    found = total_before(hit.astype(np.float64), ranked.codes) + hit
    precisions = np.where(hit, found / (ranked.places + 1.0), 0.0)
    total = totals(ranked.codes, precisions, ranked.grouped.num_groups)
    return average_lists(ranked.grouped, total / np.clip(ranked.num_relevant, 1, k))


@dataclass(eq=False)
class MRR(AtK):
    """`mrr` over all lists.

    Stability: stable.
    """

    label = "mrr"
    function = staticmethod(mrr)


@dataclass(eq=False)
class HitRate(AtK):
    """`hit_rate` over all lists.

    Stability: stable.
    """

    label = "hit_rate"
    function = staticmethod(hit_rate)


@dataclass(eq=False)
class Precision(AtK):
    """`precision` over all lists.

    Stability: stable.
    """

    label = "precision"
    function = staticmethod(precision)


@dataclass(eq=False)
class Recall(AtK):
    """`recall` over all lists.

    Stability: stable.
    """

    label = "recall"
    function = staticmethod(recall)


@dataclass(eq=False)
class MAP(AtK):
    """`mean_average_precision` over all lists.

    Stability: stable.
    """

    label = "map"
    function = staticmethod(mean_average_precision)


@dataclass(frozen=True, eq=False)
class _Ranked:
    """Lists in the order of their scores, worst luck among ties.

    Attributes:
        grouped: the rows before sorting.
        codes: [n] list of each row, sorted.
        places: [n] place of each row in its list, from 0.
        relevant: [n] whether its target is above 0.
        hits: [G] relevant rows among the first k.
        num_relevant: [G] relevant rows.
        reason: why there is nothing to rank.
    """

    grouped: GroupedRows
    codes: IntArray
    places: IntArray
    relevant: BoolArray
    hits: FloatArray
    num_relevant: FloatArray
    reason: str

    @classmethod
    def read(
        cls,
        predictions: ArrayLike,
        targets: ArrayLike,
        groups: ArrayLike,
        weights: ArrayLike | None,
        k: int,
    ) -> _Ranked:
        check_k(k)
        grouped = read_grouped_rows(predictions, targets, groups, weights)
        relevant = grouped.rows.targets > 0
        order = np.lexsort((relevant, -grouped.rows.predictions, grouped.codes))
        codes, relevant = grouped.codes[order], relevant[order]
        places = places_in_groups(codes)
        return cls(
            grouped,
            codes,
            places,
            relevant,
            hits=totals(codes, relevant & (places < k), grouped.num_groups),
            num_relevant=totals(codes, relevant, grouped.num_groups),
            reason=grouped.find_fault(),
        )

    def unknown(self) -> Value:
        rows = self.grouped.rows
        return unknown(self.reason, rows, n_positive=rows.n_positive)
