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
    """

    name: str
    bars: Mapping[str, float] = field(default_factory=dict)

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


CENSUS_1 = Recipe("census_income", {"income": 0.950, "never_married": 0.9942})
CENSUS_2 = Recipe("census_income_2", {"college": 0.888, "never_married": 0.9942})
HILLSTROM = Recipe("hillstrom")

SETS: dict[str, tuple[Recipe, ...]] = {
    "census_income": (CENSUS_1, CENSUS_2),
    "ml100k": (Recipe("ml100k"),),
    "ml100k_time": (Recipe("ml100k_time"),),
    "steam200k": (Recipe("steam200k"),),
    "anime": (Recipe("anime"),),
    "hillstrom": (HILLSTROM,),
}
"""What `--sets` can name."""
