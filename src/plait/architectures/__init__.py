"""Sharing structures and links: what tasks hold in common, and how their outputs are tied."""

from __future__ import annotations

from .adatt import AdaTT
from .base import Architecture, Derived, Encoded, Link, Need, Shared, Widths
from .chain import Chain
from .cross_stitch import CrossStitch
from .mmoe import MMoE, OMoE
from .pepnet import PEPNet, PPNet
from .ple import CGC, PLE
from .shared_bottom import SharedBottom
from .single_task import SingleTask
from .star import STAR

__all__ = [
    "ARCHITECTURES",
    "CGC",
    "LINKS",
    "PLE",
    "STAR",
    "AdaTT",
    "Architecture",
    "Chain",
    "CrossStitch",
    "Derived",
    "Encoded",
    "Link",
    "MMoE",
    "Need",
    "OMoE",
    "PEPNet",
    "PPNet",
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
    PPNet,
    PEPNet,
    STAR,
)
"""The sharing structures that an experiment file can name."""

LINKS: tuple[type[Link], ...] = (Chain,)
"""The links that an experiment file can name."""
