"""The ways to learn: what is minimised beside, or instead of, the plain losses of the tasks."""

from __future__ import annotations

from .base import Method, Plain
from .denoising import Denoising
from .finite_difference import FiniteDifference
from .gradient_norm import GradientNorm
from .hybrid import Hybrid
from .joint import JointFeatures
from .masked_fields import MaskedFields
from .objective import JointFeatureObjective
from .penalty import Penalty, Step
from .pretext import Pretext
from .representation_norm import RepresentationNorm
from .scarf import SCARF
from .soft_labels import SoftLabels
from .soft_objective import SoftObjective

METHODS: tuple[type[Method], ...] = (JointFeatures, SoftLabels, Hybrid)
"""The ways to learn that an experiment file can name."""

PENALTIES: tuple[type[Penalty], ...] = (FiniteDifference, GradientNorm, RepresentationNorm)
"""The penalties of `JointFeatures`."""

PRETEXTS: tuple[type[Pretext], ...] = (MaskedFields, Denoising, SCARF)
"""What the first layer of `Hybrid` can learn from."""

__all__ = [
    "METHODS",
    "PENALTIES",
    "PRETEXTS",
    "SCARF",
    "Denoising",
    "FiniteDifference",
    "GradientNorm",
    "Hybrid",
    "JointFeatureObjective",
    "JointFeatures",
    "MaskedFields",
    "Method",
    "Penalty",
    "Plain",
    "Pretext",
    "RepresentationNorm",
    "SoftLabels",
    "SoftObjective",
    "Step",
]
