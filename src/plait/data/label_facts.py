"""How many rows a task is observed on, how many of them are positive, and what they weigh."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["LabelFacts"]


class LabelFacts:
    """Observed rows, positives and weight by task, chunk by chunk.

    Example:
        >>> facts = LabelFacts(("click",))
        >>> ones = np.ones((2, 1), dtype=np.float32)
        >>> facts.add(ones, np.array([[True], [False]]), ones)
        >>> facts.to_json()
        {'click': {'observed': 1, 'positives': 1, 'weight': 1.0}}
    """

    def __init__(self, tasks: tuple[str, ...]) -> None:
        self._tasks = tasks
        self._observed = np.zeros(len(tasks), dtype=np.int64)
        self._positives = np.zeros(len(tasks), dtype=np.int64)
        self._weight = np.zeros(len(tasks))

    def add(
        self,
        labels: NDArray[np.float32],
        observed: NDArray[np.bool_],
        weights: NDArray[np.float32],
    ) -> None:
        """Add a chunk, each array `[N, T]`."""
        self._observed += observed.sum(axis=0)
        self._positives += ((labels > 0) & observed).sum(axis=0)
        self._weight += np.where(observed, weights, 0.0).sum(axis=0, dtype=np.float64)

    def to_json(self) -> dict[str, Any]:
        """The counts by task."""
        return {
            task: {
                "observed": int(self._observed[place]),
                "positives": int(self._positives[place]),
                "weight": float(self._weight[place]),
            }
            for place, task in enumerate(self._tasks)
        }
