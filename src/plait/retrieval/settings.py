"""What two towers are, and what they learn from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from plait.errors import ConfigurationError, TaskError, UnknownNameError
from plait.tasks import Binary, Task

__all__ = ["Retrieval"]


@dataclass(frozen=True, kw_only=True)
class Retrieval:
    """Settings of a model that finds candidates: one tower for users, one for items.

    Stability: experimental.

    Example:
        >>> Retrieval(positives={"like": 1.0, "love": 2.0}, layers=()).width
        64

    Attributes:
        positives: binary tasks whose positive rows are learnt from, with the weight of each; a row
            that is positive in several counts with the sum. None: every binary task with weight 1.
        width: of the vectors of users and items.
        layers: widths of the hidden layers of each tower. None at all: each vector is a linear form
            of its features.
        dropout: in the hidden layers.
        similarity: `dot`, or `cosine` divided by the temperature.
        temperature: of `cosine`; small ones tell near items apart.
        unknown_rate: share of the ids of users and items that are read as *unknown* in training, so
            that the towers can do without them.
        user_features: what the user's tower reads besides the user's history. None: the user, and
            what comes from side tables that are joined by the user.
        item_features: what the item's tower reads. None: the item, and what comes from side tables
            that are joined by the item.
        k: validation and report count the positives among this many candidates.

    Raises:
        ConfigurationError: on construction, a setting that is out of range.
    """

    positives: Mapping[str, float] | None = None
    width: int = 64
    layers: tuple[int, ...] = (128,)
    dropout: float = 0.0
    similarity: Literal["dot", "cosine"] = "dot"
    temperature: float = 0.1
    unknown_rate: float = 0.1
    user_features: tuple[str, ...] | None = None
    item_features: tuple[str, ...] | None = None
    k: int = 50

    def __post_init__(self) -> None:
        problems = list(self._problems())
        if problems:
            raise ConfigurationError("Retrieval: " + "; ".join(problems) + ".")

    def weights_of(self, tasks: Mapping[str, Task]) -> dict[str, float]:
        """The weight of each task whose positives are learnt from.

        Raises:
            UnknownNameError: a name that is no task.
            TaskError: a task that has no positives, or no binary task at all.
        """
        binary = {name: 1.0 for name, task in tasks.items() if isinstance(task, Binary)}
        for name in self.positives or ():
            if name not in tasks:
                raise UnknownNameError(name, what="task", known=tasks, where="`positives`")
            if name not in binary:
                raise TaskError(
                    f"`positives` names {name!r}, whose labels are not yes or no, so no row is a "
                    "positive. Add a binary task of it, such as `Binary('high', label='rating >= "
                    "4')`, and name that."
                )
        if not binary:
            raise TaskError(
                "Two towers learn from positive rows, and no task is binary. Add one, such as "
                "`Binary('high', label='rating >= 4')`."
            )
        return binary if self.positives is None else dict(self.positives)

    def _problems(self) -> Iterator[str]:
        for name in ("width", "k"):
            if getattr(self, name) < 1:
                yield f"`{name}` must be at least 1, got {getattr(self, name)}"
        if any(width < 1 for width in self.layers):
            yield f"`layers` must be positive, got {self.layers}"
        for name in ("dropout", "unknown_rate"):
            if not 0 <= getattr(self, name) < 1:
                yield f"`{name}` must lie in [0, 1), got {getattr(self, name)}"
        if self.similarity not in ("dot", "cosine"):
            yield f"`similarity` is 'dot' or 'cosine', got {self.similarity!r}"
        if not 0 < self.temperature < math.inf:
            yield f"`temperature` must be positive, got {self.temperature}"
        weights = [] if self.positives is None else list(self.positives.values())
        if self.positives is not None and not all(0 < weight < math.inf for weight in weights):
            yield f"`positives` must hold positive weights, got {self.positives}"
        if self.positives is not None and not weights:
            yield "`positives` names no task; leave it out for every binary task"
