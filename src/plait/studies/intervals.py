"""How sure a metric is: an interval for one model, and for the difference between two."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plait.metrics import AUC, Estimate, Value, delong_interval, delong_test, primary_metric
from plait.metrics.bootstrap import Resampled, resample
from plait.tasks import Task
from plait.training.judging import JudgedRows

__all__ = ["Sample"]

NUM_RESAMPLES = 200


@dataclass(frozen=True)
class Sample:
    """The predictions of one model on the rows that a task is judged on.

    Its metric is measured once on each resample, however many models it is compared with.

    Attributes:
        task: whose primary metric.
        judged: the rows it is judged on, with the predictions.
        clusters: users `[n]`, drawn as one in the bootstrap; None: rows.
        seed: of the resamples. Models that are compared have the same.
        num_resamples: how many.
    """

    task: Task
    judged: JudgedRows
    clusters: NDArray[np.generic] | None
    seed: int
    num_resamples: int = NUM_RESAMPLES

    @property
    def has_closed_form(self) -> bool:
        """Whether DeLong's interval holds: an AUC of rows that count once each."""
        return isinstance(primary_metric(self.task), AUC) and self.judged.weights is None

    def interval(self) -> Estimate:
        """The metric with its 95 % interval: DeLong's for an AUC, else bootstrap."""
        if self.has_closed_form:
            return delong_interval(self.judged.predictions, self.judged.targets)
        return self._resampled.estimate()

    def minus(self, other: Sample) -> Estimate:
        """The metric minus that of another model on the same rows, paired."""
        if self.has_closed_form:
            mine, targets = self.judged.predictions, self.judged.targets
            return delong_test(mine, other.judged.predictions, targets)
        return self._resampled.minus(other._resampled)

    @cached_property
    def _resampled(self) -> Resampled:
        return resample(
            self._measure,
            self.judged.predictions,
            self.judged.targets,
            generator=np.random.default_rng(self.seed),
            weights=self.judged.weights,
            clusters=self.clusters,
            num_resamples=self.num_resamples,
        )

    def _measure(
        self, predictions: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None = None
    ) -> Value:
        metric = primary_metric(self.task)
        metric.update(predictions, targets, weights=weights, groups=self.judged.groups)
        return metric.compute()
