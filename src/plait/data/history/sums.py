"""Sums over past events, group by group, and what they are made into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .groups import NOBODY, Members

__all__ = ["SIDES", "Past", "Prior", "Sums", "grouped", "residuals"]

Floats = NDArray[np.float64]

SIDES = ("user", "item")
"""Those whose labels have means of their own."""


@dataclass(frozen=True)
class Sums:
    """What happened in each group, as sums; also of single rows, once they were looked up.

    Attributes:
        events: `[G]`, rows.
        mass: `[G, T]`, what the observed labels count for, altogether.
        total: `[G, T]`, of the labels; `[G, 0]` where no rate is asked for.
        squares: `[G, T]`, of the squared labels; `[G, 0]` where `total` is.
        residual: `[G, T]`, of the labels less what the other side's mean foretold.
        last: `[G]`, time of the last event; nan where there is none or times do not count.
    """

    events: Floats
    mass: Floats
    total: Floats
    squares: Floats
    residual: Floats
    last: Floats

    @classmethod
    def none(cls, name: str, size: int, num_tasks: int) -> Sums:
        """Nothing has happened yet. Rates are kept of users and items only."""
        rated = num_tasks if name in SIDES else 0
        mass, residual = np.zeros((size, num_tasks)), np.zeros((size, num_tasks))
        total, squares = np.zeros((size, rated)), np.zeros((size, rated))
        return cls(np.zeros(size), mass, total, squares, residual, np.full(size, np.nan))

    def at(self, groups: NDArray[np.int32]) -> Sums:
        """The sums of the groups that some rows ask for."""
        return Sums(
            self.events[groups],
            self.mass[groups],
            self.total[groups],
            self.squares[groups],
            self.residual[groups],
            self.last[groups],
        )

    def add(self, groups: NDArray[np.int32], more: Sums) -> None:
        """Add events, one row of `more` each, in the order of time where times count."""
        size = len(self.events)
        for mine, its in zip(self.blocks(), more.blocks(), strict=True):
            mine += grouped(groups, its[:, : mine.shape[1]], size)
            mine[NOBODY] = 0.0
        self.last[groups] = more.last
        self.last[NOBODY] = np.nan

    def add_residuals(self, groups: NDArray[np.int32], more: Floats) -> None:
        """Add residuals `[M, T]` alone, one row a member."""
        self.residual[:] += grouped(groups, more, len(self.events))
        self.residual[NOBODY] = 0.0

    def plus(self, blocks: tuple[Floats, ...], last: Floats) -> Sums:
        """With further sums, row by row, and a later last time where there is one."""
        found = [mine + its for mine, its in zip(self.blocks(), blocks, strict=True)]
        return self._made(found, np.where(np.isnan(last), self.last, last))

    def scaled(self, factor: float) -> Sums:
        """As if every event had happened so many times."""
        return self._made([block * factor for block in self.blocks()], self.last)

    def rate(self, strength: float, mean: Floats) -> Floats:
        """The smoothed mean of the labels."""
        return (self.total + strength * mean) / (self.mass + strength)

    def shrunk_residual(self, strength: float) -> Floats:
        """The mean residual, drawn towards 0."""
        return self.residual / (self.mass + strength)

    def spread(self, strength: float, prior: Prior) -> Floats:
        """The standard deviation of the labels, with rows like all others beside them."""
        second = (self.squares + strength * prior.second) / (self.mass + strength)
        return np.sqrt(np.maximum(second - self.rate(strength, prior.mean) ** 2, 0.0))

    def repeated(self, members: Members) -> Sums:
        """The sums of each row, once for each of its groups."""
        blocks = [members.repeated(block) for block in self.blocks()]
        return self._made(blocks, members.repeated(self.last))

    def blocks(self) -> tuple[Floats, ...]:
        """The sums as matrices: `[G, 1]`, then four times `[G, T]` or `[G, 0]`."""
        return self.events[:, None], self.mass, self.total, self.squares, self.residual

    @staticmethod
    def _made(blocks: Sequence[Floats], last: Floats) -> Sums:
        events, mass, total, squares, residual = blocks
        return Sums(events[:, 0], mass, total, squares, residual, last)


class Prior(NamedTuple):
    """What is expected of somebody unknown: mean and mean square of all labels seen.

    Both have the shape `[T]`, or `[N, T]` where each row saw others; nan where nothing was seen.
    """

    mean: Floats
    second: Floats

    @classmethod
    def of(cls, mass: Floats, total: Floats, squares: Floats) -> Prior:
        """The prior that sums over all events give."""
        some = np.where(mass > 0, mass, np.nan)
        return cls(total / some, squares / some)


class Past(NamedTuple):
    """What some rows may know of the past.

    Attributes:
        sums: by the name of what is grouped, one row for each member.
        members: the groups of the rows.
        prior: what to expect of somebody unknown.
        now: `[N]`, time of the rows; None: times do not count.
    """

    sums: dict[str, Sums]
    members: dict[str, Members]
    prior: Prior
    now: Floats | None = None


def residuals(name: str, own: Sums, foretold: Mapping[str, Floats], prior: Prior) -> Floats:
    """How far the labels of single rows lie above what the other side's mean foretold `[N, T]`.

    Args:
        name: what is grouped; an item is held against its users, all else against items.
        own: the rows' own labels.
        foretold: means of each row's user and item, `[N, T]`.
        prior: stands in where there is no other side.
    """
    mean = foretold.get("user" if name == "item" else "item", prior.mean)
    return np.nan_to_num(own.total - own.mass * mean)


def grouped(groups: NDArray[np.int32], values: Floats, size: int) -> Floats:
    """The sum of the values of each group `[G, V]`."""
    found = np.zeros((size, values.shape[1]))
    for place, column in enumerate(values.T):
        found[:, place] = np.bincount(groups, column, size)
    return found
