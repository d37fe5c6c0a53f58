"""Studies of a finished run: how good it is and against what, and what ails it."""

from __future__ import annotations

from .doctor import Examination, examine
from .opened import OpenedRun, open_run
from .report import Options, Report, write_report

__all__ = [
    "Examination",
    "OpenedRun",
    "Options",
    "Report",
    "examine",
    "open_run",
    "write_report",
]
