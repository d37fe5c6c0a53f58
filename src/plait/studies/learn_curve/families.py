"""The ways to learn that a learning curve compares, each with its untouched settings."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from plait.methods import FiniteDifference, Hybrid, JointFeatures, Method, SoftLabels
from plait.methods.base import Plain

__all__ = ["FAMILIES", "SUPERVISED", "Family", "method_of", "reads_first_layer"]

Family = Literal["supervised", "joint", "soft_labels", "hybrid", "hybrid_soft_labels"]

SUPERVISED: Family = "supervised"

FAMILIES: dict[Family, str] = {
    "supervised": "supervised",
    "joint": "joint features",
    "soft_labels": "soft labels",
    "hybrid": "hybrid",
    "hybrid_soft_labels": "soft labels on a hybrid",
}
"""What each is called on the page; the first is what the others are compared with."""


def method_of(family: Family, *, first_layer: Path | None = None) -> Method:
    """The way to learn.

    Args:
        family: which one.
        first_layer: where the hybrids' first layer lies. It is learnt without labels, so one is
            enough for all shares of labels and both hybrids.
    """
    if family == "joint":
        return JointFeatures(penalty=FiniteDifference(radius=0.2))
    if family == "soft_labels":
        return SoftLabels()
    hybrid = Hybrid(first_layer=None if first_layer is None else str(first_layer))
    if family == "hybrid":
        return hybrid
    return SoftLabels(start=hybrid) if family == "hybrid_soft_labels" else Plain()


def reads_first_layer(family: Family) -> bool:
    """Whether the family stands on a first layer that was learnt without labels."""
    return family in ("hybrid", "hybrid_soft_labels")
