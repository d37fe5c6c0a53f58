"""Made logs whose truth is known: a feed, and two generators from the literature."""

from __future__ import annotations

from .feed import FEED_SCHEMA, FEED_TASKS, FeedWorld, SimulatedLog, simulate
from .mmoe_tasks import MMoEFunnel, MMoESample, MMoESettings, MMoETasks
from .semi_supervised import SemiSupervisedLog, SemiSupervisedSettings, SemiSupervisedWorld
from .settings import FeedSettings

__all__ = [
    "FEED_SCHEMA",
    "FEED_TASKS",
    "FeedSettings",
    "FeedWorld",
    "MMoEFunnel",
    "MMoESample",
    "MMoESettings",
    "MMoETasks",
    "SemiSupervisedLog",
    "SemiSupervisedSettings",
    "SemiSupervisedWorld",
    "SimulatedLog",
    "simulate",
]
