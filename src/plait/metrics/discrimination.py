"""How well a score tells positive rows from negative ones: AUC, grouped AUC, average precision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from plait.errors import MetricInputError

from .grouping import GroupedRows, read_grouped_rows, run_starts, run_totals, total_before, totals
from .metric import Collected, CollectedMetric
from .rows import (
    ZERO_OR_ONE,
    BoolArray,
    FloatArray,
    IntArray,
    Rows,
    find_fault,
    one_class_reason,
    read_rows,
    unknown,
)
from .value import Value

__all__ = ["AUC", "GAUC", "PRAUC", "auc", "gauc", "pr_auc"]

GroupWeighting = Literal["rows", "positives", "equal"]


def auc(predictions: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None = None) -> Value:
    """The chance that a positive row scores above a negative one; ties count one half.

    The Mann-Whitney statistic with midranks, exact. Any increasing transform of the predictions
    gives the same value, so that logits do as well as probabilities.

    Raises:
        MetricInputError: shapes that do not fit, or weights that are negative or not finite.

    Example:
        >>> auc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
        Value(value=0.75, n=4, n_positive=2, n_groups=None, n_dropped=0, reason='')
        >>> auc([0.1, 0.4], [1, 1]).reason
        'all 2 rows are positive: both classes are needed'
    """
    rows = read_rows(predictions, targets, weights)
    reason = find_fault(rows, ZERO_OR_ONE) or one_class_reason(rows)
    if reason:
        return unknown(reason, rows, n_positive=rows.n_positive)
    pairs = _pairs_by_group(rows, np.zeros(len(rows), dtype=np.int64), num_groups=1)
    return Value(float(pairs.won[0] / pairs.total[0]), len(rows), rows.n_positive)


def gauc(
    predictions: ArrayLike,
    targets: ArrayLike,
    groups: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    group_weighting: GroupWeighting = "rows",
    min_group_size: int = 2,
) -> Value:
    """AUC within each user or request, averaged: order where the list is actually shown.

    Groups with one class have no AUC and are dropped and counted, the all-positive ones too
    (Zhu et al., `Optimized Cost per Click in Taobao <https://arxiv.org/abs/1703.02091>`_, 2017).
    Rows whose group is null or nan are left out and together count as one dropped group.

    Args:
        predictions: [n] scores.
        targets: [n], 0 or 1.
        groups: [n] integers or strings.
        weights: [n] row weights.
        group_weighting: a group counts by the weight of its rows, of its positives, or 1.
        min_group_size: groups of fewer rows are dropped.

    Raises:
        MetricInputError: as `auc`, or an unknown weighting.

    Example:
        >>> gauc([0.1, 0.4, 0.8, 0.3, 0.2], [0, 1, 1, 0, 1], ["ann", "ann", "bob", "cy", "cy"])
        Value(value=0.5, n=4, n_positive=2, n_groups=2, n_dropped=1, reason='')
    """
    _check_weighting(group_weighting)
    grouped = read_grouped_rows(predictions, targets, groups, weights)
    reason = grouped.find_fault(ZERO_OR_ONE)
    if reason:
        return unknown(reason, grouped.rows, n_positive=grouped.rows.n_positive)
    pairs = _pairs_by_group(grouped.rows, grouped.codes, grouped.num_groups)
    counts = (pairs.total > 0) & (grouped.sizes >= min_group_size)
    chosen = {
        "rows": pairs.positive + pairs.negative,
        "positives": pairs.positive,
        "equal": np.ones(grouped.num_groups),
    }[group_weighting]
    return _average_groups(grouped, counts, pairs, chosen)


def pr_auc(
    predictions: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None = None
) -> Value:
    """Average precision: for rare positives, where AUC flatters. Its floor is the positive rate.

    The step sum of precision times the gain in recall, as scikit-learn's
    `average_precision_score`; no trapezoids, which are too kind.

    Raises:
        MetricInputError: shapes that do not fit, or weights that are negative or not finite.

    Example:
        >>> round(pr_auc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]).value, 4)
        0.8333
    """
    rows = read_rows(predictions, targets, weights)
    reason = find_fault(rows, ZERO_OR_ONE) or one_class_reason(rows)
    if reason:
        return unknown(reason, rows, n_positive=rows.n_positive)
    ranked = rows.take(np.argsort(-rows.predictions, kind="stable"))
    starts = run_starts(ranked.predictions)
    positive = run_totals(ranked.weights * ranked.targets, starts)
    everything = run_totals(ranked.weights, starts)
    precision = np.cumsum(positive) / np.cumsum(everything)
    value = float((precision * positive).sum() / positive.sum())
    return Value(value, len(rows), rows.n_positive)


@dataclass(eq=False)
class AUC(CollectedMetric):
    """`auc` over all rows.

    Stability: stable.
    """

    name = "auc"
    higher_is_better = True

    def _measure(self, rows: Collected) -> Value:
        return auc(rows.predictions, rows.targets, weights=rows.weights)


@dataclass(eq=False)
class GAUC(CollectedMetric):
    """`gauc` over all rows.

    Stability: stable.

    Attributes:
        group_weighting: a group counts by the weight of its rows, of its positives, or 1.
        min_group_size: groups of fewer rows are dropped.
    """

    name = "gauc"
    higher_is_better = True
    needs_groups = True

    group_weighting: GroupWeighting = "rows"
    min_group_size: int = 2

    def __post_init__(self) -> None:
        _check_weighting(self.group_weighting)

    def _measure(self, rows: Collected) -> Value:
        assert rows.groups is not None  # `compute` has seen to it
        return gauc(
            rows.predictions,
            rows.targets,
            rows.groups,
            weights=rows.weights,
            group_weighting=self.group_weighting,
            min_group_size=self.min_group_size,
        )


@dataclass(eq=False)
class PRAUC(CollectedMetric):
    """`pr_auc` over all rows.

    Stability: stable.
    """

    name = "pr_auc"
    higher_is_better = True

    def _measure(self, rows: Collected) -> Value:
        return pr_auc(rows.predictions, rows.targets, weights=rows.weights)


def _check_weighting(group_weighting: GroupWeighting) -> None:
    if group_weighting not in ("rows", "positives", "equal"):
        raise MetricInputError(
            f"`group_weighting` is 'rows', 'positives' or 'equal', got {group_weighting!r}."
        )


class _Pairs(NamedTuple):
    """Weights of each group: of pairs that are ordered rightly, and of its rows by class."""

    won: FloatArray
    positive: FloatArray
    negative: FloatArray

    @property
    def total(self) -> FloatArray:
        return self.positive * self.negative


def _pairs_by_group(rows: Rows, codes: IntArray, num_groups: int) -> _Pairs:
    order = np.lexsort((rows.predictions, codes))
    ordered, codes = rows.take(order), codes[order]
    starts = run_starts(codes, ordered.predictions)
    positive = run_totals(ordered.weights * ordered.targets, starts)  # [R] runs of tied scores
    negative = run_totals(ordered.weights * (1 - ordered.targets), starts)
    run_codes = codes[starts]
    won = positive * (total_before(negative, run_codes) + negative / 2)
    return _Pairs(*(totals(run_codes, part, num_groups) for part in (won, positive, negative)))


def _average_groups(
    grouped: GroupedRows, counts: BoolArray, pairs: _Pairs, group_weights: FloatArray
) -> Value:
    kept = grouped.rows.take(counts[grouped.codes])
    n_groups = int(np.count_nonzero(counts))
    dropped = grouped.num_groups - n_groups + (grouped.num_keyless > 0)
    value, reason = float("nan"), ""
    if n_groups:
        aucs = pairs.won[counts] / pairs.total[counts]
        value = float(np.average(aucs, weights=group_weights[counts]))
    else:
        reason = (
            f"none of {grouped.num_groups} groups holds both classes and enough rows; "
            f"{grouped.num_keyless} rows have no group"
        )
    return Value(value, len(kept), kept.n_positive, n_groups, dropped, reason)
