"""What each user clicked before: lists of past items, kept up from chunk to chunk."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa

from .preferences import Ids

__all__ = ["Histories"]


class Histories:
    """The last clicked items of every user, from strictly earlier requests only."""

    def __init__(self, *, users: int, length: int) -> None:
        self._length = length
        self._counts: Ids = np.zeros(users, np.int64)
        self._items: Ids = np.zeros(0, np.int64)  # of all users, one user after another

    def advance(self, users: Ids, *, clicked_requests: Ids, clicked_items: Ids) -> pl.Series:
        """The list before each request, the latest item last; then the requests' clicks are kept.

        Args:
            users: of each request, in the order of time; `[R]`.
            clicked_requests: place in `users` of each click, in the order of time; `[K]`.
            clicked_items: what was clicked; `[K]`.
        """
        owners = np.repeat(np.arange(len(self._counts)), self._counts)
        owners = np.concatenate([owners, users[clicked_requests]])
        order = np.argsort(owners, kind="stable")  # by user, then by time
        events = np.concatenate([self._items, clicked_items])[order]
        totals = np.bincount(owners, minlength=len(self._counts))
        starts = np.cumsum(totals) - totals

        clicks = np.bincount(clicked_requests, minlength=len(users))
        ends = starts[users] + self._counts[users] + _earlier(users, clicks)
        found, lengths = _slices(events, ends, np.minimum(ends - starts[users], self._length))
        self._counts = np.minimum(totals, self._length)
        self._items, _ = _slices(events, starts + totals, self._counts)
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        lists = pa.LargeListArray.from_arrays(offsets, found.astype(np.int32))
        return pl.Series("history", lists)


def _earlier(users: Ids, clicks: Ids) -> Ids:
    """How many clicks the same user made in the requests before each one."""
    order = np.argsort(users, kind="stable")
    before = np.cumsum(clicks[order]) - clicks[order]
    _, firsts, sizes = np.unique(users[order], return_index=True, return_counts=True)
    found = np.empty_like(before)
    found[order] = before - np.repeat(before[firsts], sizes)
    return found


def _slices(events: Ids, ends: Ids, lengths: Ids) -> tuple[Ids, Ids]:
    """The events that end at each place, one slice after another; and the lengths."""
    offsets = np.cumsum(lengths) - lengths
    places = np.arange(lengths.sum()) + np.repeat(ends - lengths - offsets, lengths)
    return events[places], lengths
