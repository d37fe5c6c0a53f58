"""Studies: how good a run is, what ails it, where its time goes, which way to learn would help."""

from __future__ import annotations

from .doctor import Examination, examine
from .learn_curve import CurveSettings, LearnCurve, learn_curve
from .opened import OpenedRun, open_run
from .profile import Profile, profile_experiment, profile_training
from .report import Options, Report, write_report

__all__ = [
    "CurveSettings",
    "Examination",
    "LearnCurve",
    "OpenedRun",
    "Options",
    "Profile",
    "Report",
    "examine",
    "learn_curve",
    "open_run",
    "profile_experiment",
    "profile_training",
    "write_report",
]
