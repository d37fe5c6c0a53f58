"""Time-ordered histories: a training row sees strictly earlier training rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from .events import Events
from .formulas import Formulas
from .groups import NOBODY, Members
from .sequences import Windows, earlier_windows, last_windows
from .sums import Past, Prior, Sums, residuals

__all__ = ["Earlier"]

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

BLOCK_ROWS = 262_144


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
        self._order = np.argsort(events.times, kind="stable")
        self._times = events.times[self._order]
        self._block_rows = block_rows
        tasks = events.labels.shape[1]
        self._sums = {name: Sums.none(size, tasks) for name, size in events.sizes.items()}
        self._all = Sums.none(2, tasks)

    def walk(self) -> Iterator[tuple[Rows, Past]]:
        """What each training row may know, block by block."""
        begin = 0
        while begin < len(self._order):
            last = self._times[min(begin + self._block_rows, len(self._order)) - 1]
            end = int(np.searchsorted(self._times, last, side="right"))
            yield self._block(self._order[begin:end], self._times[begin:end])
            begin = end

    def after(self) -> tuple[dict[str, Sums], Prior]:
        """Sums over all rows passed so far: over all training rows, once the walk has ended."""
        everything = self._all
        prior = Prior.of(everything.mass[1], everything.total[1], everything.squares[1])
        return self._sums, prior

    def windows(self, length: int) -> Iterator[Windows]:
        """For each training row: the user's last items strictly before it."""
        return earlier_windows(self._events, self._formulas.remembered, length)

    def last_windows(self, length: int) -> Iterator[Windows]:
        """For each user: the last items of all training rows."""
        return last_windows(self._events, self._formulas.remembered, length)

    def _block(self, rows: Rows, times: Floats) -> tuple[Rows, Past]:
        own = self._events.contributions(rows)
        members = {name: every.of(rows) for name, every in self._events.members.items()}
        everybody = Members(np.ones(len(rows), dtype=np.int32))
        whole = _before(self._all, everybody, own, times)
        prior = Prior.of(whole.mass, whole.total, whole.squares)
        foretold = {
            side: _before(self._sums[side], members[side], own, times).rate(
                self._formulas.strength(side), prior.mean
            )
            for side in members.keys() & {"user", "item"}
        }
        seen = {}
        for name, every in members.items():
            event = replace(own, residual=residuals(name, own, foretold, prior))
            seen[name] = _before(self._sums[name], every, event, times)
            self._sums[name].add(every.groups, event.repeated(every))
        self._all.add(everybody.groups, own)
        return rows, Past(seen, members, prior, times)


def _before(passed: Sums, members: Members, own: Sums, times: Floats) -> Sums:
    """The sums of each row's groups over all strictly earlier events, those of the block too."""
    events, when = own.repeated(members), members.repeated(times)
    blocks = (events.events[:, None], events.mass, events.total, events.squares, events.residual)
    columns = np.concatenate(blocks, axis=1)  # [M, 1 + 4T]
    names = [f"sum {place}" for place in range(columns.shape[1])]
    frame = pl.DataFrame(columns, schema=names).with_columns(
        pl.Series("group", members.groups), pl.Series("time", when)
    )
    cumulated = frame.select(
        pl.col("group", "time"),
        pl.col(names).cum_sum().shift(1, fill_value=0.0).over("group"),
        pl.col("time").shift(1).over("group").alias("last"),
    )
    at_instant = cumulated.select(pl.col(*names, "last").first().over("group", "time"))
    found = at_instant.select(names).to_numpy()
    found[members.groups == NOBODY] = 0.0
    last = at_instant["last"].fill_null(np.nan).to_numpy(writable=True)
    last[members.groups == NOBODY] = np.nan
    tasks = own.mass.shape[1]
    mass, total, squares, residual = (
        found[:, 1 + tasks * place : 1 + tasks * (place + 1)] for place in range(4)
    )
    within = Sums(found[:, 0], mass, total, squares, residual, last=last)
    return passed.at(members.groups).plus(within)
