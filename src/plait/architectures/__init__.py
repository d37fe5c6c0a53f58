"""Sharing structures and links: what tasks hold in common, and how their outputs are tied."""

from __future__ import annotations

from .base import Architecture, Derived, Encoded, Link, Need, Shared, Widths
from .chain import Chain
from .mmoe import MMoE, OMoE
from .ple import CGC, PLE
from .shared_bottom import SharedBottom
from .single_task import SingleTask

__all__ = [
    "ARCHITECTURES",
    "CGC",
    "LINKS",
    "PLE",
    "Architecture",
    "Chain",
    "Derived",
    "Encoded",
    "Link",
    "MMoE",
    "Need",
    "OMoE",
    "Shared",
    "SharedBottom",
    "SingleTask",
    "Widths",
]

ARCHITECTURES: tuple[type[Architecture], ...] = (SharedBottom, SingleTask, MMoE, OMoE, CGC, PLE)
"""The sharing structures that an experiment file can name."""

LINKS: tuple[type[Link], ...] = (Chain,)
"""The links that an experiment file can name."""
