"""Heads: how each kind of task reads the network.

A head turns the network's last outputs into a loss and a prediction, and holds what it learnt from
the training labels (bins, scales, base rates) as buffers. `head_for` picks the head of a task.
"""

from __future__ import annotations

from plait.errors import TaskError
from plait.tasks import Binary, Count, Multiclass, Ranking, Regression, Task, Value, WatchTime

from .base import Head, Rows, TargetFacts
from .binary import BinaryHead
from .count import CountHead
from .cread import CREADHead
from .d2q import D2QHead
from .multiclass import MulticlassHead
from .ranking import BPRHead, ListwiseHead
from .regression import RegressionHead
from .soft import SoftHead
from .value import ValueHead
from .wlr import WLRHead

__all__ = [
    "BPRHead",
    "BinaryHead",
    "CREADHead",
    "CountHead",
    "D2QHead",
    "Head",
    "ListwiseHead",
    "MulticlassHead",
    "RegressionHead",
    "Rows",
    "SoftHead",
    "TargetFacts",
    "ValueHead",
    "WLRHead",
    "head_for",
]


def head_for(task: Task) -> Head:  # noqa: C901 - one line a kind
    """The head that reads the network for a task.

    Raises:
        TaskError: the task is of no kind that has a head.

    Example:
        >>> head_for(Binary("click")).out_features
        1
    """
    match task:
        case Binary():
            return BinaryHead(task)
        case Multiclass():
            return MulticlassHead(task)
        case Regression():
            return RegressionHead(task)
        case Count():
            return CountHead(task)
        case Value():
            return ValueHead(task)
        case WatchTime(form="cread"):
            return CREADHead(task)
        case WatchTime(form="d2q"):
            return D2QHead(task)
        case WatchTime(form="wlr"):
            return WLRHead(task)
        case Ranking(form="bpr"):
            return BPRHead(task)
        case Ranking(form="listwise"):
            return ListwiseHead(task)
    raise TaskError(
        f"Task {task.name!r} is a {type(task).__name__}, which has no head. Use one of the kinds "
        "in plait.tasks, or pass your own Head to the model."
    )
