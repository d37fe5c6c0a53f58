"""Data sets as the catalogue describes them, with the figures that a run has to reach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from plait.data import catalog
from plait.data.joins import Table
from plait.data.reading import Source
from plait.data.schema import Schema
from plait.data.splits import Split
from plait.tasks import Task


@dataclass(frozen=True)
class Recipe:
    """A set of the catalogue, and what is asked of a model on it.

    Attributes:
        name: of the set, in the catalogue.
        bars: what the mean of each task's primary metric over five seeds is to reach.
        margins: how far that mean may be from tuned trees, at worst.
    """

    name: str
    bars: Mapping[str, float] = field(default_factory=dict)
    margins: Mapping[str, float] = field(default_factory=dict)

    @property
    def schema(self) -> Schema:
        """Its features and roles."""
        return catalog.describe(self.name).schema

    @property
    def tasks(self) -> tuple[Task, ...]:
        """What is predicted."""
        return catalog.describe(self.name).tasks

    @property
    def split(self) -> Split:
        """Which rows train, validate and test."""
        return catalog.describe(self.name).split

    def log(self, folder: Path) -> Source:
        """The log in this folder of data sets."""
        return catalog.load(self.name, folder).log

    def tables(self, folder: Path) -> tuple[Table, ...]:
        """The side tables in this folder of data sets."""
        return catalog.load(self.name, folder).tables


CENSUS_1 = Recipe(
    "census_income",
    {"income": 0.951, "never_married": 0.9942},
    {"income": -0.002, "never_married": -0.001},
)
CENSUS_2 = Recipe(
    "census_income_2",
    {"college": 0.890, "never_married": 0.9942},
    {"college": -0.002, "never_married": -0.001},
)
ML100K = Recipe(
    "ml100k",
    {"like": 0.794, "love": 0.813, "rating": 0.908},
    {"like": 0.006, "love": 0.006, "rating": -0.008},
)
ML100K_TIME = Recipe("ml100k_time", {}, {"like": 0.0, "love": 0.0, "rating": 0.0})
STEAM = Recipe(
    "steam200k",
    {"played": 0.882, "engaged": 0.863, "log_hours": 1.357},
    {"played": -0.001, "engaged": -0.001, "log_hours": 0.004},
)
ANIME = Recipe(
    "anime",
    {"rated": 0.976, "high": 0.839, "score": 1.147},
    {"rated": -0.0015, "high": 0.002, "score": 0.0},
)
HILLSTROM = Recipe("hillstrom")

SETS: dict[str, tuple[Recipe, ...]] = {
    "census_income": (CENSUS_1, CENSUS_2),
    "ml100k": (ML100K,),
    "ml100k_time": (ML100K_TIME,),
    "steam200k": (STEAM,),
    "anime": (ANIME,),
    "hillstrom": (HILLSTROM,),
}
"""What `--sets` can name."""
