"""Which rows belong to which request, so that batches can hold whole requests."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .mapped import runs

__all__ = ["RequestIndex"]

Rows = NDArray[np.int64]


class RequestIndex:
    """The rows of each request, requests in the order of their first rows."""

    def __init__(self, rows: Rows, starts: Rows, lengths: Rows) -> None:
        self._rows = rows
        self._starts = starts
        self._lengths = lengths

    @classmethod
    def of(cls, codes: Rows) -> RequestIndex:
        """The index of a column of request codes."""
        rows = np.argsort(codes, kind="stable")
        ordered = codes[rows]
        starts = np.flatnonzero(np.r_[len(rows) > 0, ordered[1:] != ordered[:-1]])
        lengths = np.diff(np.r_[starts, len(rows)])
        appearance = np.argsort(rows[starts], kind="stable")
        return cls(rows, starts[appearance], lengths[appearance])

    def __len__(self) -> int:
        return len(self._starts)

    def batches(self, order: Rows, batch_size: int) -> Iterator[Rows]:
        """Rows of as many whole requests as fit, one at least."""
        starts, lengths = self._starts[order], self._lengths[order]
        ends = np.cumsum(lengths)
        first, before = 0, 0
        while first < len(order):
            fitting = int(np.searchsorted(ends, before + batch_size, side="right"))
            stop = max(fitting, first + 1)
            places, _ = runs(starts[first:stop], lengths[first:stop])
            yield self._rows[places]
            first, before = stop, int(ends[stop - 1])
