"""Probabilities of a classifier in the shape that metrics read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from plait.tasks import Multiclass, Task

__all__ = ["all_classes"]


def all_classes(
    task: Task, seen: NDArray[np.int64], found: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The chance of a yes `[N]`, or of each of the task's classes `[N, C]`.

    Args:
        task: binary or of several classes.
        seen: the classes that the classifier met, in the order of its columns.
        found: its probabilities `[N, len(seen)]`; a class that it did not meet gets 0.
    """
    width = len(task.classes or ()) if isinstance(task, Multiclass) else 2
    whole = np.zeros((len(found), width))
    whole[:, seen.astype(np.int64)] = found
    return whole if isinstance(task, Multiclass) else whole[:, 1]
