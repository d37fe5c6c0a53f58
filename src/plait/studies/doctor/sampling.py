"""A bounded, seeded part of the rows, so that a look at a large log takes no longer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from plait.data.store import Store

__all__ = ["sample_rows"]


def sample_rows(
    store: Store, most: int, *, seed: int, among: NDArray[np.bool_] | None = None
) -> NDArray[np.int64]:
    """Positions of at most so many rows, in order; whole requests where the store has them.

    Args:
        store: the rows.
        most: how many rows at most (the last request may go beyond).
        seed: of the draw.
        among: rows to draw from `[N]`; None: all.
    """
    rows = np.arange(store.num_rows) if among is None else np.flatnonzero(among)
    if len(rows) <= most:
        return rows
    generator = np.random.default_rng(seed)
    if "request" not in store.layout.keys:
        return np.sort(generator.choice(rows, most, replace=False))
    requests = np.unique(store.key("request")[rows], return_inverse=True)[1]
    sizes = np.bincount(requests)
    order = generator.permutation(len(sizes))
    taken = np.zeros(len(sizes), dtype=np.bool_)
    taken[order[np.cumsum(sizes[order]) - sizes[order] < most]] = True
    return rows[taken[requests]]
