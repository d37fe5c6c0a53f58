"""Interactions: what makes features meet before the sharing structure reads them."""

from __future__ import annotations

from .autoint import AutoInt
from .base import Entry, Interacted, Interaction
from .dcn import DCNMix, DCNv2
from .dlrm import DLRM
from .finalmlp import FinalMLP
from .fm import FM, DeepFM
from .masknet import MaskNet
from .wide_deep import WideDeep

__all__ = [
    "DLRM",
    "FM",
    "INTERACTIONS",
    "AutoInt",
    "DCNMix",
    "DCNv2",
    "DeepFM",
    "Entry",
    "FinalMLP",
    "Interacted",
    "Interaction",
    "MaskNet",
    "WideDeep",
]

INTERACTIONS: tuple[type[Interaction], ...] = (
    WideDeep,
    FM,
    DeepFM,
    DCNv2,
    DCNMix,
    AutoInt,
    MaskNet,
    FinalMLP,
    DLRM,
)
"""The interactions that an experiment file can name."""
