"""The multi-task model: five stages, from a batch to named outputs."""

from __future__ import annotations

from .cutting import cut_at, cuttable
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
    "cut_at",
    "cuttable",
    "entry_widths",
    "module_name",
    "rows_of",
]
