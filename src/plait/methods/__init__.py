"""The ways to learn: what is minimised beside, or instead of, the plain losses of the tasks."""

from __future__ import annotations

from .base import Method
from .finite_difference import FiniteDifference
from .gradient_norm import GradientNorm
from .joint import JointFeatures
from .objective import JointFeatureObjective
from .penalty import Penalty, Step
from .representation_norm import RepresentationNorm

METHODS: tuple[type[Method], ...] = (JointFeatures,)
"""The ways to learn that an experiment file can name."""

PENALTIES: tuple[type[Penalty], ...] = (FiniteDifference, GradientNorm, RepresentationNorm)
"""The penalties of `JointFeatures`."""

__all__ = [
    "METHODS",
    "PENALTIES",
    "FiniteDifference",
    "GradientNorm",
    "JointFeatureObjective",
    "JointFeatures",
    "Method",
    "Penalty",
    "RepresentationNorm",
    "Step",
]
