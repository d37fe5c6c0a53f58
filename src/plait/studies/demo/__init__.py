"""The demonstration: from rows to a draft, a trained model and a report, in about a minute."""

from __future__ import annotations

from .files import files_in
from .options import DemoOptions
from .result import Demo, DemoRow
from .running import Watcher, run_demo

__all__ = ["Demo", "DemoOptions", "DemoRow", "Watcher", "files_in", "run_demo"]
