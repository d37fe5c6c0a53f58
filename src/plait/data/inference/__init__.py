"""From a stranger's file to a drafted experiment: features, roles, joins, tasks, split, leaks."""

from __future__ import annotations

from .drafted import Draft
from .drafting import SAMPLE_ROWS, draft
from .guesses import (
    Caution,
    CautionKind,
    FeatureGuess,
    RoleGuess,
    SplitGuess,
    TableGuess,
    TaskGuess,
    sentences,
)

__all__ = [
    "SAMPLE_ROWS",
    "Caution",
    "CautionKind",
    "Draft",
    "FeatureGuess",
    "RoleGuess",
    "SplitGuess",
    "TableGuess",
    "TaskGuess",
    "draft",
    "sentences",
]
