"""Sharing structures, gates and links: what tasks hold in common, and how they are tied."""

from __future__ import annotations

from .adatt import AdaTT
from .aitm import AITM
from .base import Architecture, Derived, Encoded, Link, Need, Seen, Shared, Widths
from .chain import Chain
from .cross_stitch import CrossStitch
from .dbmtl import DBMTL
from .dcmt import DCMT
from .escm2 import ESCM2
from .gating import Gate, PersonalGates, ScenarioGate
from .home import HoME
from .mmoe import MMoE, OMoE
from .nise import NISE
from .pepnet import PEPNet, PPNet
from .ple import CGC, PLE
from .position_bias import PositionBias
from .shared_bottom import SharedBottom
from .single_task import SingleTask
from .star import STAR
from .stem import STEM

__all__ = [
    "AITM",
    "ARCHITECTURES",
    "CGC",
    "DBMTL",
    "DCMT",
    "ESCM2",
    "GATES",
    "LINKS",
    "NISE",
    "PLE",
    "STAR",
    "STEM",
    "AdaTT",
    "Architecture",
    "Chain",
    "CrossStitch",
    "Derived",
    "Encoded",
    "Gate",
    "HoME",
    "Link",
    "MMoE",
    "Need",
    "OMoE",
    "PEPNet",
    "PPNet",
    "PersonalGates",
    "PositionBias",
    "ScenarioGate",
    "Seen",
    "Shared",
    "SharedBottom",
    "SingleTask",
    "Widths",
]

ARCHITECTURES: tuple[type[Architecture], ...] = (
    SharedBottom,
    SingleTask,
    CrossStitch,
    MMoE,
    OMoE,
    CGC,
    PLE,
    AdaTT,
    HoME,
    STEM,
    PPNet,
    PEPNet,
    STAR,
)
"""The sharing structures that an experiment file can name."""

GATES: tuple[type[Gate], ...] = (ScenarioGate, PersonalGates)
"""The gates that an experiment file can name."""

LINKS: tuple[type[Link], ...] = (Chain, ESCM2, DCMT, NISE, AITM, DBMTL, PositionBias)
"""The links that an experiment file can name."""
