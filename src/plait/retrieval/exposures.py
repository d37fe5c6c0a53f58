"""Who had what: the rows of a store as pairs of user and item."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from plait.data.schema import Schema
from plait.data.store import Store

__all__ = ["Catalogue", "Exposures"]

Integers = NDArray[np.int64]
Floats = NDArray[np.float32]


class Exposures(NamedTuple):
    """The rows of a store that have a user and an item.

    Attributes:
        rows: int64 `[N]`, their positions in the store.
        user: int64 `[N]`, codes that are equal where the users are.
        item: int64 `[N]`, codes of the items.
        weight: float32 `[N]`, how much each counts as a positive; 0: it is none.
    """

    rows: Integers
    user: Integers
    item: Integers
    weight: Floats

    @classmethod
    def of(cls, store: Store, schema: Schema, weights: Mapping[str, float]) -> Exposures:
        """The pairs of a store.

        Args:
            store: the rows; their columns of user and item were kept.
            schema: says which these columns are.
            weights: of the tasks whose positive rows count.
        """
        assert schema.user is not None
        assert schema.item is not None
        raw = store.frame(list(dict.fromkeys([schema.user, schema.item])))
        whole = raw[schema.user].is_not_null() & raw[schema.item].is_not_null()
        rows = np.flatnonzero(whole.to_numpy())
        total = np.zeros(store.num_rows, dtype=np.float32)
        for task, weight in weights.items():
            positive = (store.labels(task) > 0) & store.observed(task)
            total += np.float32(weight) * positive * store.weights(task)
        return cls(rows, store.key("user")[rows], store.key("item")[rows], total[rows])

    def positives(self) -> Exposures:
        """The pairs that are positive."""
        kept = self.weight > 0
        return Exposures(self.rows[kept], self.user[kept], self.item[kept], self.weight[kept])


class Catalogue(NamedTuple):
    """The items that can be found: those of the training rows.

    Attributes:
        codes: their codes, sorted.
        rows: for each, its last training row.
    """

    codes: Integers
    rows: Integers

    @classmethod
    def of(cls, train: Exposures) -> Catalogue:
        """The items of some rows."""
        codes, last = np.unique(train.item[::-1], return_index=True)
        return cls(codes, train.rows[::-1][last])

    def __len__(self) -> int:
        return len(self.codes)

    def places(self, codes: Integers) -> Integers:
        """Where each item stands among `codes`; -1 for one that does not."""
        return places_of(codes, self.codes)


def places_of(codes: Integers, known: Integers) -> Integers:
    """Where each code stands in a sorted list; -1 where it does not.

    Example:
        >>> places_of(np.array([5, 6, 2]), np.array([2, 5])).tolist()
        [1, -1, 0]
    """
    if not len(known):
        return np.full(len(codes), -1, dtype=np.int64)
    at = np.searchsorted(known, codes).clip(max=len(known) - 1)
    return np.where(known[at] == codes, at, -1)
