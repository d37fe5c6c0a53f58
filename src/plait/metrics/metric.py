"""Metrics with a state: fed batch by batch, merged across workers, asked once at the end."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plait.errors import MetricInputError

from .rows import read_rows
from .value import Value

__all__ = ["Collected", "CollectedMetric", "Metric"]

Array = NDArray[np.generic]


@dataclass(eq=False)
class Metric(ABC):
    """How good predictions are, as one number that batches and workers can add to.

    Predictions are what `Task.predict` gives: probabilities, or numbers in raw units. Feeding the
    same rows in any batches, or merging metrics fed with parts of them, gives the same answer.

    Stability: stable.

    Attributes:
        higher_is_better: the direction of the measure; `goodness` turns it.
        needs_groups: whether `update` must be told the group (user, request) of every row.
    """

    higher_is_better: ClassVar[bool]
    needs_groups: ClassVar[bool] = False

    @property
    @abstractmethod
    def name(self) -> str:
        """What the measure is called in reports: `auc`, `ndcg@10`."""

    @abstractmethod
    def update(
        self,
        predictions: ArrayLike,
        targets: ArrayLike,
        *,
        weights: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> None:
        """Add rows: [n] each, or [n, C] predictions for C classes.

        A row of weight 0 is as if absent; a row of weight 2 counts as two.

        Raises:
            MetricInputError: shapes that do not fit, or weights that are negative or not finite.
        """

    @abstractmethod
    def _absorb(self, other: Self) -> None:
        """Add the rows of a metric that is known to be set up alike."""

    @abstractmethod
    def compute(self) -> Value:
        """The measure on all rows so far; nan and a reason where there is none."""

    @abstractmethod
    def reset(self) -> None:
        """Forget all rows."""

    def merge(self, other: Metric) -> None:
        """Add the rows that another metric of the same settings has seen.

        Raises:
            MetricInputError: the other is another measure, or set up differently.
        """
        if not isinstance(other, type(self)) or repr(other) != repr(self):
            raise MetricInputError(
                f"{self!r} cannot take the rows of {other!r}. Merge metrics of one class and "
                "the same settings."
            )
        self._absorb(other)

    def goodness(self, value: Value) -> float:
        """The value turned so that greater is better; minus infinity where it is not known.

        Example:
            >>> from plait.metrics import AUC, RMSE
            >>> RMSE().goodness(Value(2.0)), AUC().goodness(Value(float("nan")))
            (-2.0, -inf)
        """
        if not value.is_known:
            return -math.inf
        return value.value if self.higher_is_better else -value.value


class Collected(NamedTuple):
    """The arrays of one update, or of several joined."""

    predictions: Array
    targets: Array
    weights: Array | None
    groups: Array | None


@dataclass(eq=False)
class CollectedMetric(Metric):
    """A metric that needs all rows at once: it keeps copies of them and calls a function.

    To write one, give the class a name, a direction and `_measure`.

    Stability: stable.
    """

    _batches: list[Collected] = field(default_factory=list, init=False, repr=False)

    @abstractmethod
    def _measure(self, rows: Collected) -> Value:
        """The measure on all rows; `rows.groups` is there where the class needs groups."""

    def update(
        self,
        predictions: ArrayLike,
        targets: ArrayLike,
        *,
        weights: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> None:
        """Keep a copy of the rows, so that the caller may reuse its buffers."""
        read_rows(predictions, targets, weights)  # raises where they do not fit
        batch = Collected(
            np.array(predictions),
            np.array(targets),
            None if weights is None else np.array(weights),
            np.array(groups) if self.needs_groups and groups is not None else None,
        )
        if batch.groups is not None and batch.groups.shape != batch.targets.shape:
            raise MetricInputError(
                f"`groups` has shape {batch.groups.shape} for {len(batch.targets)} targets; "
                "expected one key for each row."
            )
        self._check_groups(batch)
        self._batches.append(batch)

    def compute(self) -> Value:
        """The measure on all rows so far; nan and a reason where there is none."""
        if self.needs_groups and self._batches and self._batches[0].groups is None:
            n = sum(len(batch.targets) for batch in self._batches)
            return Value(float("nan"), n=n, reason="no groups (users, requests) were given")
        return self._measure(self._joined())

    def reset(self) -> None:
        """Forget all rows."""
        self._batches = []

    def _absorb(self, other: Self) -> None:
        for batch in other._batches[:1]:
            self._check_groups(batch)
        self._batches.extend(other._batches)

    def _check_groups(self, batch: Collected) -> None:
        first = self._batches[0] if self._batches else batch
        if (first.groups is None) != (batch.groups is None):
            raise MetricInputError(
                f"{self!r} got `groups` for some batches and not for others. Pass them always."
            )

    def _joined(self) -> Collected:
        batches = self._batches
        if not batches:
            empty = np.zeros(0)
            return Collected(empty, empty, None, empty)
        weights = None
        if any(batch.weights is not None for batch in batches):
            weights = np.concatenate([_weights_of(batch) for batch in batches])
        groups = [batch.groups for batch in batches if batch.groups is not None]
        return Collected(
            np.concatenate([batch.predictions for batch in batches]),
            np.concatenate([batch.targets for batch in batches]),
            weights,
            np.concatenate(groups) if groups else None,
        )


def _weights_of(batch: Collected) -> Array:
    return np.ones(len(batch.targets)) if batch.weights is None else batch.weights
