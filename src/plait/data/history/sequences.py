"""The user's last items, and the last ones with a positive label of each binary task."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from .events import Events, Remembered
from .groups import NOBODY, offsets_of, spans

__all__ = ["Windows", "earlier_windows", "fold_windows", "last_windows", "sequence_names"]

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


def earlier_windows(events: Events, remembered: Remembered, length: int) -> Iterator[Windows]:
    """For each training row: the user's last items strictly before it."""
    assert events.codes.user is not None
    assert events.codes.item is not None
    assert events.times is not None
    order = np.lexsort((events.times, events.codes.user))
    users, times = events.codes.user[order], events.times[order]
    is_new_user = np.diff(users, prepend=-1) != 0
    is_new = is_new_user | (np.diff(times, prepend=np.inf) != 0)
    places = np.arange(len(order))
    first_of_user = np.maximum.accumulate(np.where(is_new_user, places, 0))
    first_of_instant = np.maximum.accumulate(np.where(is_new, places, 0))
    for kept in _behaviours(events, remembered):
        passed = offsets_of(kept[order].astype(np.int64))
        begins, ends = np.empty(len(order), np.int64), np.empty(len(order), np.int64)
        ends[order] = passed[first_of_instant]
        begins[order] = np.maximum(passed[first_of_user], passed[first_of_instant] - length)
        ends[events.codes.user == NOBODY] = begins[events.codes.user == NOBODY]
        yield Windows(events.codes.item[order][kept[order]], begins, ends)


def fold_windows(
    events: Events, remembered: Remembered, length: int, folds: NDArray[np.int16]
) -> Iterator[Windows]:
    """For each training row: the user's last items in the other folds, in the order of the log."""
    assert events.codes.user is not None
    for kept in _behaviours(events, remembered):
        items: list[NDArray[np.int32]] = []
        begins, ends = np.empty(len(events), np.int64), np.empty(len(events), np.int64)
        at = 0
        for fold in range(int(folds.max(initial=0)) + 1):
            windows = _last(events, kept & (folds != fold), length)
            own = folds == fold
            begins[own] = at + windows.begins[events.codes.user[own]]
            ends[own] = at + windows.ends[events.codes.user[own]]
            items.append(windows.items)
            at += len(windows.items)
        yield Windows(np.concatenate(items), begins, ends)


def last_windows(events: Events, remembered: Remembered, length: int) -> Iterator[Windows]:
    """For each user's group: the last items of all training rows."""
    for kept in _behaviours(events, remembered):
        yield _last(events, kept, length)


def _behaviours(events: Events, remembered: Remembered) -> Iterator[Mask]:
    """Which rows are listed, sequence by sequence; rows of no known item never are."""
    assert events.codes.item is not None
    known = events.codes.item != NOBODY
    yield known
    for place, is_binary in enumerate(remembered.are_binary):
        if is_binary:
            yield known & (events.labels[:, place] > 0)


def _last(events: Events, kept: Mask, length: int) -> Windows:
    """The last rows of each user among those kept, in the order of time or else of the log."""
    assert events.codes.user is not None
    assert events.codes.item is not None
    rows = np.flatnonzero(kept & (events.codes.user != NOBODY))
    users = events.codes.user[rows]
    keys = (users,) if events.times is None else (events.times[rows], users)
    rows = rows[np.lexsort(keys)]
    offsets = offsets_of(np.bincount(users, minlength=events.sizes["user"]))
    lengths = np.minimum(np.diff(offsets), length)
    items = events.codes.item[rows[spans(offsets[1:] - lengths, lengths)]]
    ends = np.cumsum(lengths)
    return Windows(items, ends - lengths, ends)
