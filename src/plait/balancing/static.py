"""Weights that stay as they are: the baselines that every other rule has to beat."""

from __future__ import annotations

from collections.abc import Mapping

from .base import StaticBalancer, TaskFacts
from .checks import check_match, check_weights


class Equal(StaticBalancer):
    """Add the losses up as they are.

    Stability: stable.

    Example:
        >>> Equal().weight("click")
        1.0
    """

    when = "the default; hard to beat once losses are on like scales"

    def weight(self, task: str) -> float:
        """One for every task."""
        return 1.0


class Fixed(StaticBalancer):
    """Weigh the losses by hand. A task of weight 0 is trained as if it were not there.

    Stability: stable.

    Example:
        >>> Fixed(weights={"click": 1.0, "like": 0.5}).weight("like")
        0.5

    Raises:
        TaskError: a weight that is negative, or none that is positive.
    """

    when = "you know what a task is worth, or tune: the most reliable gain"

    def __init__(self, *, weights: Mapping[str, float]) -> None:
        check_weights("weights", weights)
        self.weights = dict(weights)

    def prepare(self, facts: Mapping[str, TaskFacts]) -> None:
        """See that tasks and weights match.

        Raises:
            UnknownNameError: a task without a weight, or a weight without a task.
        """
        check_match(self.weights, facts)

    def weight(self, task: str) -> float:
        """The weight that was given."""
        return self.weights[task]


class BaseRate(StaticBalancer):
    """Divide each loss by what a constant prediction would lose, so that tasks start alike.

    Stability: stable.

    A rare event has a small cross-entropy from the start: 0.03 at a rate of half a percent, 0.69
    at one half. Added up as they are, the common task takes the gradient. The weight of a binary
    or multiclass task is one over the entropy of its base rate; a head that standardises its
    target starts at about one half already and gets the weight 1.

    Example:
        >>> rule = BaseRate()
        >>> rule.prepare({"buy": TaskFacts(observed=1.0, mean=0.5, entropy=0.5)})
        >>> rule.weight("buy")
        2.0
    """

    when = "rates that differ by a factor of ten or more; try it first"

    def __init__(self) -> None:
        self._entropy: dict[str, float | None] = {}

    def prepare(self, facts: Mapping[str, TaskFacts]) -> None:
        """Remember the entropy of each base rate."""
        self._entropy = {task: fact.entropy for task, fact in facts.items()}

    def weight(self, task: str) -> float:
        """One over the entropy, or 1 where there is none."""
        entropy = self._entropy[task]
        return 1.0 if not entropy else 1.0 / entropy
