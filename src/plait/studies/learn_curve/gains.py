"""How good each way to learn is, and how much better than supervised learning."""

from __future__ import annotations

from dataclasses import dataclass

from plait.metrics import Estimate, Metric

from .families import Family

__all__ = ["CurveTask", "Gain", "Level"]


@dataclass(frozen=True)
class CurveTask:
    """A task of the study.

    Attributes:
        name: its name.
        kind: what it predicts.
        metric: the primary metric of its kind.
        higher_is_better: the direction of the metric.
        is_hidden: whether its labels were hidden, or only those of another task.
    """

    name: str
    kind: str
    metric: str
    higher_is_better: bool
    is_hidden: bool

    @classmethod
    def judged_by(cls, name: str, kind: str, metric: Metric, *, is_hidden: bool) -> CurveTask:
        """The task with what it is judged by."""
        return cls(name, kind, metric.name, metric.higher_is_better, is_hidden)


@dataclass(frozen=True)
class Level:
    """How good one way to learn is with so many labels, over the seeds.

    Attributes:
        task: which.
        share: of the labels left.
        flip: share of them turned round.
        family: how the model learnt.
        estimate: the metric's mean, with Student's interval.
    """

    task: str
    share: float
    flip: float
    family: Family
    estimate: Estimate


@dataclass(frozen=True)
class Gain:
    """How much better than supervised learning, on the same labels and seeds; above 0 is better.

    Attributes:
        task: which.
        metric: in what.
        share: of the labels left.
        flip: share of them turned round.
        family: how the model learnt.
        estimate: the mean difference with a paired Student's interval; `reason` where there is
            none.
    """

    task: str
    metric: str
    share: float
    flip: float
    family: Family
    estimate: Estimate

    @property
    def helps(self) -> bool:
        """Whether the lower end of the interval is above 0."""
        return self.estimate.low > 0

    @property
    def hurts(self) -> bool:
        """Whether the upper end of the interval is below 0."""
        return self.estimate.high < 0
