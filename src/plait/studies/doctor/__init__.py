"""What ails a run: drift, importance, gaps, unseen ids, starving tasks, dead experts."""

from __future__ import annotations

from .advice import Advice, first_things
from .examination import Examination, examine
from .page import examination_document, examination_json

__all__ = [
    "Advice",
    "Examination",
    "examination_document",
    "examination_json",
    "examine",
    "first_things",
]
