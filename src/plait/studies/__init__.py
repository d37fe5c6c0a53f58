"""Studies: how good a run is and against what, what ails it, and where its time goes."""

from __future__ import annotations

from .doctor import Examination, examine
from .opened import OpenedRun, open_run
from .profile import Profile, profile_experiment, profile_training
from .report import Options, Report, write_report

__all__ = [
    "Examination",
    "OpenedRun",
    "Options",
    "Profile",
    "Report",
    "examine",
    "open_run",
    "profile_experiment",
    "profile_training",
    "write_report",
]
