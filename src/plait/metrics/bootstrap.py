"""The sampling error of the difference between two models, for any metric, by resampling."""

from __future__ import annotations

import copy
import math
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike

from plait.errors import MetricInputError

from .rows import FloatArray, IntArray, to_floats
from .statistics import Estimate, check_confidence
from .value import Value

__all__ = ["Measure", "Resampled", "paired_bootstrap", "resample"]

Scheme = Literal["poisson", "multinomial"]


class Measure(Protocol):
    """A metric function of this room, or a `functools.partial` of one that fixes its groups."""

    def __call__(
        self, predictions: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None = None
    ) -> Value:
        """The measure on these rows."""


def paired_bootstrap(
    measure: Measure,
    first: ArrayLike,
    second: ArrayLike,
    targets: ArrayLike,
    *,
    generator: np.random.Generator,
    weights: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    scheme: Scheme = "poisson",
    num_resamples: int = 1000,
    confidence: float = 0.95,
) -> Estimate:
    """The measure of the first predictions minus that of the second, with a percentile interval.

    Both models are measured on the same resamples, so that what makes a sample easy cancels. A
    resample is a weight for every row. Rows of one user rise and fall together: name the users in
    `clusters`, or intervals come out too narrow. Resamples on which the measure does not exist
    (no positives) are left out; more than half of them left out is no answer. The p value is twice
    the smaller share of resamples on either side of zero.

    Args:
        measure: `auc`, `log_loss`, `partial(gauc, groups=users)`, ...
        first: [n] predictions.
        second: [n] predictions.
        targets: [n].
        generator: source of the resamples.
        weights: [n] row weights.
        clusters: [n] keys of what is drawn as one: users. None: rows.
        scheme: a `poisson` count for each cluster, or `multinomial` counts that keep their total.
        num_resamples: how many.
        confidence: of the interval.

    Raises:
        MetricInputError: shapes that do not fit, an unknown scheme, fewer than 2 resamples, or a
            confidence outside 0 to 1.

    Example:
        >>> from plait.metrics import brier
        >>> gap = paired_bootstrap(
        ...     brier, [0.9, 0.2, 0.8], [0.5, 0.5, 0.5], [1, 0, 1],
        ...     generator=np.random.default_rng(0), num_resamples=200,
        ... )
        >>> round(gap.value, 2), gap.high < 0
        (-0.22, True)
    """
    check_confidence(confidence)
    again = copy.deepcopy(generator)  # the same resamples for both
    one, two = (
        resample(
            measure,
            predictions,
            targets,
            generator=source,
            weights=weights,
            clusters=clusters,
            scheme=scheme,
            num_resamples=num_resamples,
        )
        for predictions, source in ((first, generator), (second, again))
    )
    return one.minus(two, confidence=confidence)


class Resampled(NamedTuple):
    """A measure on the rows as they are, and on resamples of them.

    Attributes:
        observed: on the rows as they are.
        drawn: `[R]`, on each resample; nan where the measure does not exist there.
        num_clusters: how many rows, or users, were drawn from.
    """

    observed: Value
    drawn: FloatArray
    num_clusters: int

    def estimate(self, *, confidence: float = 0.95) -> Estimate:
        """The measure with its percentile interval. There is nothing to test, so no p value."""
        if not self.observed.is_known:
            return Estimate(math.nan, n=self.num_clusters, reason=self.observed.reason)
        found = _summary(self.observed.value, self.drawn, self.num_clusters, confidence)
        return found._replace(p_value=math.nan)

    def minus(self, other: Resampled, *, confidence: float = 0.95) -> Estimate:
        """The difference between two models that were measured on the same resamples."""
        for value in (self.observed, other.observed):
            if not value.is_known:
                return Estimate(math.nan, n=self.num_clusters, reason=value.reason)
        observed = self.observed.value - other.observed.value
        return _summary(observed, self.drawn - other.drawn, self.num_clusters, confidence)


def resample(
    measure: Measure,
    predictions: ArrayLike,
    targets: ArrayLike,
    *,
    generator: np.random.Generator,
    weights: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    scheme: Scheme = "poisson",
    num_resamples: int = 1000,
) -> Resampled:
    """What `paired_bootstrap` measures, for one model: to compare many, each is measured once.

    Two models are on the same resamples where their generators are in the same state.

    Args:
        measure: as in `paired_bootstrap`, and so are the others.
        predictions: [n].
        targets: [n].
        generator: source of the resamples.
        weights: [n] row weights.
        clusters: [n] keys of what is drawn as one.
        scheme: how counts are drawn.
        num_resamples: how many.

    Raises:
        MetricInputError: shapes that do not fit, an unknown scheme, or fewer than 2 resamples.
    """
    if scheme not in ("poisson", "multinomial"):
        raise MetricInputError(f"`scheme` is 'poisson' or 'multinomial', got {scheme!r}.")
    if num_resamples < 2:
        raise MetricInputError(f"`num_resamples` must be at least 2, got {num_resamples}.")
    base = np.ones(np.shape(targets)) if weights is None else to_floats(weights, "weights")
    codes, num_clusters = _codes(clusters, len(base))
    observed = measure(predictions, targets, weights=base)
    if not observed.is_known:
        return Resampled(observed, np.empty(0), num_clusters)
    drawn = [
        measure(
            predictions, targets, weights=base * _counts(num_clusters, scheme, generator)[codes]
        ).value
        for _ in range(num_resamples)
    ]
    return Resampled(observed, np.array(drawn), num_clusters)


def _codes(clusters: ArrayLike | None, n: int) -> tuple[IntArray, int]:
    if clusters is None:
        return np.arange(n), n
    keys = np.asarray(clusters)
    if keys.shape != (n,):
        raise MetricInputError(
            f"`clusters` has shape {keys.shape} for {n} targets; expected one key for each row."
        )
    names, codes = np.unique(keys, return_inverse=True)
    return codes.astype(np.int64), len(names)


def _counts(num_clusters: int, scheme: Scheme, generator: np.random.Generator) -> FloatArray:
    if scheme == "poisson":
        return generator.poisson(1.0, num_clusters).astype(np.float64)
    drawn = generator.integers(num_clusters, size=num_clusters)
    return np.bincount(drawn, minlength=num_clusters).astype(np.float64)


def _summary(observed: float, drawn: FloatArray, n: int, confidence: float) -> Estimate:
    known = drawn[~np.isnan(drawn)]
    if 2 * len(known) < len(drawn) or len(known) < 2:
        missing = len(drawn) - len(known)
        reason = f"the measure does not exist on {missing} of {len(drawn)} resamples"
        return Estimate(observed, n=n, reason=reason)
    low, high = np.quantile(known, [(1 - confidence) / 2, (1 + confidence) / 2])
    tail = min(np.count_nonzero(known <= 0), np.count_nonzero(known >= 0))
    return Estimate(
        observed,
        standard_error=float(known.std(ddof=1)),
        low=float(low),
        high=float(high),
        p_value=min(1.0, 2 * (int(tail) + 1) / (len(known) + 1)),
        n=n,
    )
