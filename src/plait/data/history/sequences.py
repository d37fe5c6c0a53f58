"""The user's last items, and the last ones with a positive label of each binary task."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from plait.data.mapped import RawFile, numbers

from .events import Events, Remembered
from .groups import CHUNK_ROWS, NOBODY, compact, offsets_of, spans

__all__ = [
    "ByUser",
    "Windows",
    "earlier_windows",
    "fold_windows",
    "last_windows",
    "sequence_names",
]

Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]


class Windows(NamedTuple):
    """Stretches of one list of items: `items[begins[i]:ends[i]]` is what `i` has seen.

    Attributes:
        items: int32, groups of items.
        begins: int64, one for each row, or for each user.
        ends: int64, the same.
    """

    items: NDArray[np.int32]
    begins: Integers
    ends: Integers

    def series(self, at: Integers | slice, values: pl.Series) -> pl.Series:
        """The raw values of some rows or users, as lists.

        Args:
            at: which.
            values: the raw value of each item's group, the first at group 1.
        """
        begins, lengths = self.begins[at], self.ends[at] - self.begins[at]
        groups = self.items[spans(begins, lengths)]
        flat = values.gather(groups - 1).to_arrow(compat_level=pl.CompatLevel.oldest())
        lists = pa.LargeListArray.from_arrays(pa.array(offsets_of(lengths)), flat)
        made = pl.from_arrow(lists)
        assert isinstance(made, pl.Series)
        return made


def sequence_names(remembered: Remembered) -> tuple[str, ...]:
    """The names of the sequences: all items, then those of each binary task."""
    binary = [t for t, yes in zip(remembered.names, remembered.are_binary, strict=True) if yes]
    return ("history.user.items", *(f"history.user.{task}.items" for task in binary))


class ByUser:
    """The training rows, user by user, in the order of time or else of the log.

    Rows of nobody are left out. In memory are four bytes a row.

    Args:
        events: the training rows.
        remembered: the tasks; each binary one has a sequence.
    """

    def __init__(self, events: Events, remembered: Remembered) -> None:
        assert events.codes.user is not None
        self.events = events
        self.behaviours = (None, *np.flatnonzero(remembered.are_binary).tolist())
        users = events.codes.user
        keys = (users,) if events.times is None else (events.times, users)
        self._order = compact(np.lexsort(keys))
        self._offsets = offsets_of(np.bincount(users, minlength=events.sizes["user"]))

    def blocks(self) -> Iterator[Block]:
        """Some users at a time, and all rows of each of them."""
        begin, total = self._offsets[NOBODY + 1], self._offsets[-1]
        while begin < total:
            end = self._offsets[np.searchsorted(self._offsets, begin + CHUNK_ROWS, "right") - 1]
            if end <= begin:  # one user has more rows
                end = self._offsets[np.searchsorted(self._offsets, begin, "right")]
            yield Block.of(self.events, self._order[begin:end].astype(np.int64))
            begin = end


class Block(NamedTuple):
    """The rows of some users.

    Attributes:
        events: the training rows.
        rows: which of them, user by user.
        starts: the place in `rows` at which each user begins.
        user_of: which of the users each row is of, from 0.
    """

    events: Events
    rows: Integers
    starts: Integers
    user_of: Integers

    @classmethod
    def of(cls, events: Events, rows: Integers) -> Block:
        """These rows, in the order of users."""
        assert events.codes.user is not None
        is_first = np.diff(events.codes.user[rows], prepend=-1) != 0
        return cls(events, rows, np.flatnonzero(is_first), np.cumsum(is_first) - 1)

    def listed(self, task: int | None) -> Mask:
        """Rows whose item is listed; of no known item none is."""
        assert self.events.codes.item is not None
        listed: Mask = self.events.codes.item[self.rows] != NOBODY
        if task is not None:
            listed &= self.events.labels[self.rows, task] > 0
        return listed

    def items(self, kept: Mask) -> NDArray[np.int32]:
        """The items of the rows that are kept."""
        assert self.events.codes.item is not None
        return self.events.codes.item[self.rows[kept]]

    def last(self, kept: Mask, length: int) -> Windows:
        """For each user the last rows of those kept."""
        passed = offsets_of(kept.astype(np.int64))
        stops = passed[np.append(self.starts[1:], len(self.rows))]
        lengths = np.minimum(stops - passed[self.starts], length)
        ends = np.cumsum(lengths)
        return Windows(self.items(kept)[spans(stops - lengths, lengths)], ends - lengths, ends)


def earlier_windows(walk: ByUser, length: int, scratch: Path) -> list[Windows]:
    """For each training row: the user's last items strictly before it."""
    made = [_Made(len(walk.events), scratch, place) for place in range(len(walk.behaviours))]
    assert walk.events.times is not None
    for block in walk.blocks():
        places = np.arange(len(block.rows))
        first_of_user = block.starts[block.user_of]
        is_new = np.diff(walk.events.times[block.rows], prepend=np.inf) != 0
        is_new[block.starts] = True
        first_of_instant = np.maximum.accumulate(np.where(is_new, places, 0))
        for task, windows in zip(walk.behaviours, made, strict=True):
            kept = block.listed(task)
            passed = offsets_of(kept.astype(np.int64))
            ends = passed[first_of_instant]
            begins = np.maximum(passed[first_of_user], ends - length)
            windows.add(block.rows, Windows(block.items(kept), begins, ends))
    return [windows.done() for windows in made]


def fold_windows(
    walk: ByUser, length: int, folds: NDArray[np.int16], scratch: Path
) -> list[Windows]:
    """For each training row: the user's last items in the other folds, in the order of the log."""
    made = [_Made(len(walk.events), scratch, place) for place in range(len(walk.behaviours))]
    count = int(folds.max(initial=0)) + 1
    for block in walk.blocks():
        own = folds[block.rows]
        for task, windows in zip(walk.behaviours, made, strict=True):
            kept = block.listed(task)
            for fold in range(count):
                items, begins, ends = block.last(kept & (own != fold), length)
                mine = np.flatnonzero(own == fold)
                users = block.user_of[mine]
                windows.add(block.rows[mine], Windows(items, begins[users], ends[users]))
    return [windows.done() for windows in made]


def last_windows(walk: ByUser, length: int) -> list[Windows]:
    """For each user's group: the last items of all training rows."""
    assert walk.events.codes.user is not None
    found = []
    for task in walk.behaviours:
        begins = np.zeros(walk.events.sizes["user"], dtype=np.int64)
        ends, items, at = begins.copy(), [np.zeros(0, dtype=np.int32)], 0
        for block in walk.blocks():
            users = walk.events.codes.user[block.rows[block.starts]]
            windows = block.last(block.listed(task), length)
            begins[users], ends[users] = at + windows.begins, at + windows.ends
            items.append(windows.items)
            at += len(windows.items)
        found.append(Windows(np.concatenate(items), begins, ends))
    return found


class _Made:
    """Windows of training rows while they are made: on disk, so that memory does not hold them."""

    def __init__(self, rows: int, scratch: Path, place: int) -> None:
        self._bounds = np.zeros((2, 0), dtype=np.int64)
        if rows:
            path = scratch / f"windows-{place}.i64"
            self._bounds = np.memmap(path, dtype=np.int64, mode="w+", shape=(2, rows))
        self._items = RawFile(scratch / f"windows-{place}.items.raw", np.int32)

    def add(self, rows: Integers, windows: Windows) -> None:
        """What these rows list."""
        self._bounds[0, rows] = self._items.size + windows.begins
        self._bounds[1, rows] = self._items.size + windows.ends
        self._items.append(windows.items)

    def done(self) -> Windows:
        """All windows, mapped from disk; empty ones for rows that were not added."""
        return Windows(numbers(self._items.array()), *self._bounds)
