"""Studies of a finished run: how good it is and against what, and what ails it."""

from __future__ import annotations

from .doctor import Examination, examine
from .report import Options, Report, write_report

__all__ = ["Examination", "Options", "Report", "examine", "write_report"]
