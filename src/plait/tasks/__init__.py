"""Tasks: what is predicted, on which rows its label means something, and how much a row counts.

A task is a frozen record: pure data, no tensors. Labels, spaces and weights are expressions over
the columns of the log (`plait.data.expressions`), read when the log is prepared.
"""

from __future__ import annotations

from .checking import check_tasks
from .kinds import (
    TASK_KINDS,
    Binary,
    Count,
    Multiclass,
    Ranking,
    Regression,
    Task,
    Value,
    WatchTime,
)
from .written import task_from_json, task_to_json

__all__ = [
    "TASK_KINDS",
    "Binary",
    "Count",
    "Multiclass",
    "Ranking",
    "Regression",
    "Task",
    "Value",
    "WatchTime",
    "check_tasks",
    "task_from_json",
    "task_to_json",
]
