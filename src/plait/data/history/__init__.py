"""What users and items did before: counts, rates and sequences of past events, without leaks.

`History` says which features are made. `fit_history` reads the training rows and gives the columns
of these rows, each computed from other rows only, and `HistoryTables`, which compute the same
columns for any later row and are part of the artifact.
"""

from __future__ import annotations

from .adding import add_history
from .files import read_history, write_history
from .fitting import Fitted, fit_history
from .settings import History
from .tables import HistoryTables

__all__ = [
    "Fitted",
    "History",
    "HistoryTables",
    "add_history",
    "fit_history",
    "read_history",
    "write_history",
]
