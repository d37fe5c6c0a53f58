"""Sums over past events, group by group, and what they are made into."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .groups import NOBODY, Members

__all__ = ["Past", "Prior", "Sums"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Sums:
    """What happened in each group, as sums; also of single rows, once they were looked up.

    Attributes:
        events: `[G]`, rows.
        mass: `[G, T]`, what the observed labels count for, altogether.
        total: `[G, T]`, of the labels.
        squares: `[G, T]`, of the squared labels.
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
    def none(cls, size: int, num_tasks: int) -> Sums:
        """Nothing has happened yet."""
        blocks = [np.zeros((size, num_tasks)) for _ in range(4)]
        return cls(np.zeros(size), *blocks, np.full(size, np.nan))

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
        """Add events, one row of `more` each; the last time is the latest."""
        size = len(self.events)
        for mine, its in zip(self._blocks(), more._blocks(), strict=True):
            mine += grouped(groups, its, size)
            mine[NOBODY] = 0.0
        known = groups[~np.isnan(more.last)]
        np.fmax.at(self.last, known, more.last[~np.isnan(more.last)])
        self.last[NOBODY] = np.nan

    def plus(self, other: Sums) -> Sums:
        """Both together, row by row."""
        sums = [a + b for a, b in zip(self._blocks(), other._blocks(), strict=True)]
        return Sums(*sums, np.fmax(self.last, other.last))

    def scaled(self, factor: float) -> Sums:
        """As if every event had happened so many times."""
        return Sums(*(block * factor for block in self._blocks()), self.last)

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
        blocks = [members.repeated(block) for block in self._blocks()]
        return Sums(*blocks, members.repeated(self.last))

    def _blocks(self) -> tuple[Floats, ...]:
        return self.events, self.mass, self.total, self.squares, self.residual


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
    """The sum of the values of each group, column by column."""
    if values.ndim == 1:
        return np.bincount(groups, values, size).astype(np.float64, copy=False)
    columns = [np.bincount(groups, column, size) for column in values.T]
    return np.stack(columns, axis=1) if columns else np.zeros((size, 0))
