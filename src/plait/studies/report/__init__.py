"""The report on a finished run: one offline HTML file and the same as Markdown."""

from __future__ import annotations

from .findings import Findings, Options
from .writing import Report, write_report

__all__ = ["Findings", "Options", "Report", "write_report"]
