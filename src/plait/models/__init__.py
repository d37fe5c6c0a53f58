"""The multi-task model: five stages, from a batch to named outputs."""

from __future__ import annotations

from .entries import entry_widths
from .model import (
    ArchitectureFactory,
    Fields,
    ModelFactory,
    MultiTaskModel,
    Trace,
    module_name,
    rows_of,
)
from .tower import Tower

__all__ = [
    "ArchitectureFactory",
    "Fields",
    "ModelFactory",
    "MultiTaskModel",
    "Tower",
    "Trace",
    "entry_widths",
    "module_name",
    "rows_of",
]
