"""Prepared arrays, filled feature by feature."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from .batch import UNKNOWN, Layout
from .columns import Columns
from .counting import owner
from .numeric import NumberScale
from .prepared import Counts, Prepared, RaggedArray
from .schema import Categorical, MultiHot, Numeric, Sequence, Vector
from .vocabulary import HashBuckets, Vocabulary

__all__ = ["Filling", "bin_name"]


class Filling:
    """The prepared arrays of some rows while they are being filled."""

    def __init__(
        self, columns: Columns, layout: Layout, tables: Mapping[str, Vocabulary | HashBuckets]
    ) -> None:
        self._columns = columns
        self._tables = tables
        self._places = {column.name: place for place, column in enumerate(layout.ids)}
        self._numbers_at = {number.name: 3 * at for at, number in enumerate(layout.numbers)}
        height = columns.frame.height
        self._ids = np.empty((height, len(layout.ids)), dtype=np.int32)
        self._numbers = np.empty((height, 3 * len(layout.numbers)), dtype=np.float32)
        self._lists: dict[str, RaggedArray] = {}
        self._vectors: dict[str, NDArray[np.float32]] = {}
        self._unseen: dict[str, int] = {}
        self._nulls: dict[str, int] = {}
        self._cut: dict[str, int] = {}

    def take_values(self, feature: Categorical) -> None:
        """One column of ids."""
        values = self._columns.values(feature)
        ids = self._tables[owner(feature)].ids(values)
        self._ids[:, self._places[feature.name]] = ids
        self._unseen[feature.name] = int((ids == UNKNOWN).sum())
        self._nulls[feature.name] = values.null_count()

    def take_numbers(self, feature: Numeric, scale: NumberScale) -> None:
        """The three columns of a number, and its bin where it has bins."""
        numbers = self._columns.numbers(feature)
        missing = np.isnan(numbers)
        at = self._numbers_at[feature.name]
        self._numbers[:, at] = scale.normal(numbers)
        self._numbers[:, at + 1] = scale.position(numbers)
        self._numbers[:, at + 2] = missing
        if feature.num_bins:
            self._ids[:, self._places[bin_name(feature)]] = scale.bin_ids(numbers)
        self._nulls[feature.name] = int(missing.sum())

    def take_lists(self, feature: Sequence | MultiHot) -> None:
        """The ragged ids of a list feature."""
        flat = self._columns.lists(feature)
        ids = self._tables[owner(feature)].ids(flat.values)
        weights = self._columns.weights(feature, flat) if isinstance(feature, MultiHot) else None
        self._lists[feature.name] = RaggedArray(ids, flat.offsets, weights)
        self._unseen[feature.name] = int((ids == UNKNOWN).sum())
        self._nulls[feature.name] = flat.nulls
        self._cut[feature.name] = flat.cut

    def take_vectors(self, feature: Vector) -> None:
        """The matrix of a vector feature."""
        self._vectors[feature.name], self._nulls[feature.name] = self._columns.vectors(feature)

    def prepared(self) -> Prepared:
        """The arrays, once every feature was taken."""
        counts = Counts(_positive(self._unseen), _positive(self._nulls), _positive(self._cut))
        return Prepared(self._ids, self._numbers, self._lists, self._vectors, counts)


def bin_name(feature: Numeric) -> str:
    """Name of the id column, and of the table, that holds a numeric feature's bins."""
    return f"{feature.name}.bin"


def _positive(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}
