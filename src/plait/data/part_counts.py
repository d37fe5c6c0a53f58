"""What a part of the rows holds: labels, positives, funnel violations, unseen and null values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from plait.tasks import Task

from .labels import Labels
from .prepared import Counts

__all__ = ["PartCounts"]


class PartCounts:
    """Counts chunk by chunk; plain data in the end."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._tasks = tuple(tasks)
        self._rows = 0
        self._observed = np.zeros(len(tasks), dtype=np.int64)
        self._positive = np.zeros(len(tasks), dtype=np.int64)
        self._violations = {
            f"{task.name} without {parent}": 0 for task in tasks for parent in task.parents
        }
        self._met = Counts()

    def add(self, labels: Labels, counts: Counts) -> None:
        """Add a chunk."""
        self._rows += len(labels.labels)
        self._observed += labels.observed.sum(axis=0)
        positive = (labels.labels > 0) & labels.observed
        self._positive += positive.sum(axis=0)
        names = [task.name for task in self._tasks]
        for child, task in enumerate(self._tasks):
            for parent in task.parents:
                place = names.index(parent)
                broken = positive[:, child] & labels.observed[:, place] & ~positive[:, place]
                self._violations[f"{task.name} without {parent}"] += int(broken.sum())
        self._met = self._met.plus(counts)

    def to_json(self) -> dict[str, Any]:
        """Rows; observed and positive labels by task; violations; values by feature."""
        names = [task.name for task in self._tasks]
        return {
            "rows": self._rows,
            "observed": dict(zip(names, self._observed.tolist(), strict=True)),
            "positive": dict(zip(names, self._positive.tolist(), strict=True)),
            "funnel_violations": dict(self._violations),
            "unseen": dict(self._met.unseen),
            "nulls": dict(self._met.nulls),
            "cut": dict(self._met.cut),
        }
