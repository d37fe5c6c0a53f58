"""The multi-task model: five stages, from a batch to named outputs."""

from __future__ import annotations

from .cutting import cut_at, cuttable
from .entries import entry_widths
from .late import InteractionFactory
from .model import ModelFactory, MultiTaskModel
from .precision import Precision
from .preference import PreferenceGates, preferring, ray_of
from .sequences import SequenceFactory
from .stages import ArchitectureFactory, Fields, Trace, module_name, rows_of
from .terms import TermFactory
from .tower import Tower

__all__ = [
    "ArchitectureFactory",
    "Fields",
    "InteractionFactory",
    "ModelFactory",
    "MultiTaskModel",
    "Precision",
    "PreferenceGates",
    "SequenceFactory",
    "TermFactory",
    "Tower",
    "Trace",
    "cut_at",
    "cuttable",
    "entry_widths",
    "module_name",
    "preferring",
    "ray_of",
    "rows_of",
]
