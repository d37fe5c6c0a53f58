"""From several losses to gradients: loss weights now, gradient rules behind the same contract."""

from __future__ import annotations

from .base import Balancer, StaticBalancer, TaskFacts
from .static import BaseRate, Equal, Fixed

BALANCERS: tuple[type[Balancer], ...] = (Equal, Fixed, BaseRate)
"""The balancers, in the order in which they are documented."""

__all__ = [
    "BALANCERS",
    "Balancer",
    "BaseRate",
    "Equal",
    "Fixed",
    "StaticBalancer",
    "TaskFacts",
]
