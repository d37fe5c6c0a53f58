"""Time-ordered histories: a training row sees strictly earlier training rows."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .events import Events
from .formulas import Formulas
from .groups import NOBODY, Members, compact
from .sums import SIDES, Past, Prior, Sums, residuals

__all__ = ["Earlier"]

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

BLOCK_ROWS = 65_536
LONG_GROUP = 64


class Earlier:
    """Walks through the training rows in the order of time, and keeps the sums of what it passed.

    Rows of one instant do not see each other. The mean that a label's residual is taken against is
    the one that was known at the time of the label. Rows pass in blocks; within a block, sums are
    cumulated group by group, so that a later event cannot change so much as the last bit of an
    earlier row's numbers.

    """

    def __init__(self, events: Events, formulas: Formulas, *, block_rows: int = BLOCK_ROWS) -> None:
        assert events.times is not None
        self._events = events
        self._formulas = formulas
        self._times = events.times
        self._order = compact(np.argsort(events.times, kind="stable"))
        self._block_rows = block_rows
        tasks = events.labels.shape[1]
        self._sums = {name: Sums.none(name, size, tasks) for name, size in events.sizes.items()}
        self._all = Sums.none("user", 2, tasks)

    def walk(self) -> Iterator[tuple[Rows, Past]]:
        """What each training row may know, block by block."""
        begin, rows = 0, len(self._order)
        while begin < rows:
            last = self._time(min(begin + self._block_rows, rows) - 1)
            end = bisect_right(range(rows), last, lo=begin, key=self._time)
            block = self._order[begin:end].astype(np.int64)
            yield self._block(block, self._times[block])
            begin = end

    def _time(self, place: int) -> float:
        """When the row at a place of the order was."""
        return float(self._times[self._order[place]])

    def after(self) -> tuple[dict[str, Sums], Prior]:
        """Sums over all rows passed so far: over all training rows, once the walk has ended."""
        everything = self._all
        prior = Prior.of(everything.mass[1], everything.total[1], everything.squares[1])
        return self._sums, prior

    def _block(self, rows: Rows, times: Floats) -> tuple[Rows, Past]:
        own = self._events.contributions(rows)
        members = {name: every.of(rows) for name, every in self._events.members.items()}
        everybody = Members(np.ones(len(rows), dtype=np.int32))
        whole = _Before(everybody, times).sums(self._all, own)
        prior = Prior.of(whole.mass, whole.total, whole.squares)
        before = {name: _Before(every, times) for name, every in members.items()}
        seen = {s: before[s].sums(self._sums[s], own) for s in SIDES if s in members}
        foretold = {
            side: sums.rate(self._formulas.strength(side), prior.mean)
            for side, sums in seen.items()
        }
        for name, every in members.items():
            event = replace(own, residual=residuals(name, own, foretold, prior))
            if name in seen:
                residual = before[name].residual(self._sums[name], event)
                seen[name] = replace(seen[name], residual=residual)
            else:
                seen[name] = before[name].sums(self._sums[name], event)
            self._sums[name].add(every.groups, event.repeated(every))
        self._all.add(everybody.groups, own)
        return rows, Past(seen, members, prior, times)


class _Before:
    """For rows of one block: sums over the strictly earlier rows of the same group."""

    def __init__(self, members: Members, times: Floats) -> None:
        self._members = members
        self._order = np.argsort(members.groups, kind="stable")
        groups, self._times = members.groups[self._order], members.repeated(times)[self._order]
        is_first = np.diff(groups, prepend=-1) != 0
        is_new = is_first | (np.diff(self._times, prepend=np.inf) != 0)
        places = np.arange(len(groups))
        self._starts = np.flatnonzero(is_first)
        self._start_of = np.maximum.accumulate(np.where(is_first, places, 0))
        self._instant_of = np.maximum.accumulate(np.where(is_new, places, 0))
        self._sees = (self._instant_of > self._start_of) & (groups != NOBODY)

    def sums(self, passed: Sums, own: Sums) -> Sums:
        """With those of the blocks before; the residuals of users and items are still to come."""
        blocks = own.blocks()
        kept = [b[:, : mine.shape[1]] for b, mine in zip(blocks, passed.blocks(), strict=True)]
        found = self._cumulated(np.concatenate(kept, axis=1))
        cuts = np.cumsum([block.shape[1] for block in kept])[:-1]
        times = np.where(self._sees, self._times[np.maximum(self._instant_of - 1, 0)], np.nan)
        last = np.empty_like(times)
        last[self._order] = times
        return passed.at(self._members.groups).plus(tuple(np.split(found, cuts, axis=1)), last)

    def residual(self, passed: Sums, own: Sums) -> Floats:
        """The sum of the residuals, those of the blocks before included."""
        return passed.residual[self._members.groups] + self._cumulated(own.residual)

    def _cumulated(self, values: Floats) -> Floats:
        """Sums `[M, V]` of the values `[N, V]` of strictly earlier rows."""
        values = self._members.repeated(values)[self._order]
        running = restarted_sums(values, self._starts)
        before = np.where(self._sees[:, None], running[np.maximum(self._instant_of - 1, 0)], 0.0)
        found = np.empty_like(before)
        found[self._order] = before
        return found


def restarted_sums(values: Floats, starts: Rows) -> Floats:
    """Cumulative sums down the rows that begin anew at each start; in place.

    Each sum is taken in the order of its own rows, whatever stands in other groups. Short groups
    advance together, row by row; of long ones there are few.

    Example:
        >>> restarted_sums(np.array([[1.0], [2.0], [5.0], [1.0]]), np.array([0, 2])).T
        array([[1., 3., 5., 6.]])
    """
    lengths = np.diff(starts, append=len(values))
    is_long = lengths > LONG_GROUP
    short, lengths_short = starts[~is_long], lengths[~is_long]
    for step in range(1, int(lengths_short.max(initial=0))):
        rows = short[lengths_short > step] + step
        values[rows] += values[rows - 1]
    for start, length in zip(starts[is_long], lengths[is_long], strict=True):
        group = values[start : start + length]
        np.cumsum(group, axis=0, out=group)
    return values
