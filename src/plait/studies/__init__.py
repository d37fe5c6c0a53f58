"""Studies of a finished run: how good it is and against what, and what ails it."""

from __future__ import annotations
