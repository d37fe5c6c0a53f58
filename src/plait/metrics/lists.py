"""What the measures of ranked lists have in common: which lists count, and how much.

A list is the rows of one group (a request, a session, a user). Measures are averaged over the
lists that hold a relevant row (a target above 0); the others are dropped and counted. A list
counts by the mean weight of its rows, so that weight 2 throughout is the same list twice, and rows
of weight 0 are as if absent. Rows without a group together count as one dropped list.

The candidates of a list are the rows that were given: say so where they are a sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import ArrayLike

from plait.errors import MetricInputError

from .grouping import GroupedRows, total_before
from .metric import Collected, CollectedMetric
from .rows import FloatArray, IntArray
from .value import Value


class ListMeasure(Protocol):
    """A function of this kind: `mrr`, `recall`."""

    def __call__(
        self,
        predictions: ArrayLike,
        targets: ArrayLike,
        groups: ArrayLike,
        *,
        k: int,
        weights: ArrayLike | None,
    ) -> Value:
        """The measure on these lists."""


@dataclass(eq=False)
class AtK(CollectedMetric):
    """A measure of the first k rows of each list; `k` is part of its name.

    Stability: stable.

    Attributes:
        k: places of the list that count.
    """

    higher_is_better = True
    needs_groups = True
    label: ClassVar[str]
    function: ClassVar[ListMeasure]

    k: int = 10

    def __post_init__(self) -> None:
        check_k(self.k)

    @property
    def name(self) -> str:
        """The measure and its k: `mrr@10`."""
        return f"{self.label}@{self.k}"

    def _measure(self, rows: Collected) -> Value:
        assert rows.groups is not None  # `compute` has seen to it
        return self.function(
            rows.predictions, rows.targets, rows.groups, k=self.k, weights=rows.weights
        )


def check_k(k: int) -> None:
    """Refuse lists of no place.

    Raises:
        MetricInputError: k below 1.
    """
    if k < 1:
        raise MetricInputError(f"`k` must be at least 1, got {k}.")


def places_in_groups(codes: IntArray) -> IntArray:
    """Place of each row in its group, from 0; `codes` are sorted."""
    return total_before(np.ones(len(codes)), codes).astype(np.int64)


def average_lists(grouped: GroupedRows, by_list: FloatArray) -> Value:
    """The mean of [G] values over the lists that hold a relevant row."""
    counts = grouped.total((grouped.rows.targets > 0).astype(np.float64)) > 0  # [G]
    n_lists = int(np.count_nonzero(counts))
    value, reason = float("nan"), ""
    if n_lists:
        list_weights = (grouped.total(grouped.rows.weights) / grouped.sizes)[counts]
        value = float(np.average(by_list[counts], weights=list_weights))
    else:
        reason = f"none of {grouped.num_groups} groups holds a relevant row (a target above 0)"
    kept = grouped.rows.take(counts[grouped.codes])
    dropped = grouped.num_groups - n_lists + (grouped.num_keyless > 0)
    return Value(value, len(kept), kept.n_positive, n_lists, dropped, reason)
