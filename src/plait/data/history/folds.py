"""Out-of-fold histories: a training row sees the rows of the other folds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .events import Events
from .formulas import Formulas
from .groups import NOBODY, Members
from .sequences import Windows, fold_windows, last_windows
from .sums import SIDES, Past, Prior, Sums, grouped, residuals

__all__ = ["OutOfFold"]

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

CHUNK_ROWS = 131_072


class OutOfFold:
    """Deals the training rows into folds; each sees the rows of the other folds.

    A row of another fold counts `count / (count - 1)` times, so that counts and smoothing are as
    strong as they will be for later rows, which see every fold.
    """

    def __init__(self, events: Events, formulas: Formulas, *, by_user: bool) -> None:
        self._events = events
        self._formulas = formulas
        self._count = formulas.history.folds
        self._folds = events.folds(self._count, by_user=by_user)

    def walk(self) -> Iterator[tuple[Rows, Past]]:
        """What each training row may know, fold by fold."""
        for fold in range(self._count):
            rows = np.flatnonzero(self._folds != fold)
            sums, prior = self._summed(rows, factor=self._count / (self._count - 1))
            own = np.flatnonzero(self._folds == fold)
            for begin in range(0, len(own), CHUNK_ROWS):
                rows = own[begin : begin + CHUNK_ROWS]
                members = {name: every.of(rows) for name, every in self._events.members.items()}
                seen = {name: sums[name].at(members[name].groups) for name in members}
                yield rows, Past(seen, members, prior)

    def after(self) -> tuple[dict[str, Sums], Prior]:
        """Sums over all training rows, for all other rows."""
        return self._summed(np.arange(len(self._events)), factor=1.0)

    def windows(self, length: int) -> Iterator[Windows]:
        """For each training row: the user's last items in the other folds."""
        return fold_windows(self._events, self._formulas.remembered, length, self._folds)

    def last_windows(self, length: int) -> Iterator[Windows]:
        """For each user: the last items of all training rows, in the order of the log."""
        return last_windows(self._events, self._formulas.remembered, length)

    def _summed(self, rows: Rows, *, factor: float) -> tuple[dict[str, Sums], Prior]:
        """Sums over these rows and no others; residuals are against means over the same rows.

        Each row counts as often as `factor` says.
        """
        own = self._events.contributions(rows).scaled(factor)
        prior = Prior.of(own.mass.sum(axis=0), own.total.sum(axis=0), own.squares.sum(axis=0))
        members = {name: every.of(rows) for name, every in self._events.members.items()}
        foretold = {
            side: self._rates(side, members[side], own, prior) for side in SIDES if side in members
        }
        sums = {}
        for name, every in members.items():
            sums[name] = Sums.none(name, self._events.sizes[name], own.mass.shape[1])
            event = replace(own, residual=residuals(name, own, foretold, prior))
            sums[name].add(every.groups, event.repeated(every))
        return sums, prior

    def _rates(self, side: str, members: Members, own: Sums, prior: Prior) -> Floats:
        """The mean of each row's user or item `[N, T]`."""
        size, strength = self._events.sizes[side], self._formulas.strength(side)
        total = grouped(members.groups, own.total, size)
        mass = grouped(members.groups, own.mass, size)
        total[NOBODY] = mass[NOBODY] = 0.0
        rates: Floats = (total + strength * prior.mean) / (mass + strength)
        return rates[members.groups]
