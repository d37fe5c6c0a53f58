"""Out-of-fold histories: a training row sees the rows of the other folds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .events import Events
from .formulas import Formulas
from .groups import CHUNK_ROWS
from .sums import SIDES, Past, Prior, Sums, residuals

__all__ = ["OutOfFold"]

Rows = NDArray[np.int64]


class OutOfFold:
    """Deals the training rows into folds; each sees the rows of the other folds.

    A row of another fold counts `count / (count - 1)` times, so that counts and smoothing are as
    strong as they will be for later rows, which see every fold.

    Attributes:
        folds: of each row.
    """

    def __init__(self, events: Events, formulas: Formulas, *, by_user: bool) -> None:
        self._events = events
        self._formulas = formulas
        self._count = formulas.history.folds
        self.folds = events.folds(self._count, by_user=by_user)

    def walk(self) -> Iterator[tuple[Rows, Past]]:
        """What each training row may know, fold by fold."""
        for fold in range(self._count):
            sums, prior = self._summed(without=fold, factor=self._count / (self._count - 1))
            for rows in self._chunks(self.folds == fold):
                members = {name: every.of(rows) for name, every in self._events.members.items()}
                seen = {name: sums[name].at(members[name].groups) for name in members}
                yield rows, Past(seen, members, prior)

    def after(self) -> tuple[dict[str, Sums], Prior]:
        """Sums over all training rows, for all other rows."""
        return self._summed(without=None, factor=1.0)

    def _summed(self, *, without: int | None, factor: float) -> tuple[dict[str, Sums], Prior]:
        """Sums over the rows of the other folds; residuals are against means over the same rows.

        Each row counts as often as `factor` says. Rows pass in chunks, twice: means first, and then
        what lies above them.
        """
        events, tasks = self._events, self._events.labels.shape[1]
        sums = {name: Sums.none(name, size, tasks) for name, size in events.sizes.items()}
        mass, total, squares = np.zeros(tasks), np.zeros(tasks), np.zeros(tasks)
        for rows in self._others(without):
            own = events.contributions(rows).scaled(factor)
            mass += own.mass.sum(axis=0)
            total += own.total.sum(axis=0)
            squares += own.squares.sum(axis=0)
            for name, every in events.members.items():
                chosen = every.of(rows)
                sums[name].add(chosen.groups, own.repeated(chosen))
        prior = Prior.of(mass, total, squares)
        rates = {
            side: sums[side].rate(self._formulas.strength(side), prior.mean)
            for side in SIDES
            if side in sums
        }
        for rows in self._others(without):
            own = events.contributions(rows).scaled(factor)
            foretold = {side: rates[side][events.members[side].groups[rows]] for side in rates}
            for name, every in events.members.items():
                chosen = every.of(rows)
                above = residuals(name, own, foretold, prior)
                sums[name].add_residuals(chosen.groups, chosen.repeated(above))
        return sums, prior

    def _others(self, fold: int | None) -> Iterator[Rows]:
        """The rows of all folds but one, or of all, chunk by chunk."""
        for rows in self._chunks(None):
            yield rows if fold is None else rows[self.folds[rows] != fold]

    def _chunks(self, chosen: NDArray[np.bool_] | None) -> Iterator[Rows]:
        """The numbers of these rows, or of all, in order."""
        for begin in range(0, len(self._events), CHUNK_ROWS):
            end = min(begin + CHUNK_ROWS, len(self._events))
            inside = slice(begin, end)
            yield begin + np.flatnonzero(np.ones(end - begin) if chosen is None else chosen[inside])
