"""What a preprocessor counts in the training rows before it is finished."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import polars as pl

from plait.errors import DataError, SchemaError

from .columns import Columns
from .numeric import NumberCounts
from .schema import Categorical, MultiHot, Numeric, Schema, Sequence, Vector
from .vocabulary import ValueCounts

__all__ = ["Embedded", "TrainingCounts", "owner", "owners"]

Embedded = Categorical | Sequence | MultiHot
"""Features whose values are looked up in a table of vectors."""


class TrainingCounts:
    """Counts of values by table and of numbers by feature; mergeable.

    Attributes:
        values: for each table with a vocabulary, under the name of the feature that owns it.
        numbers: for each numeric feature.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._num_rows = 0
        self._num_present: Counter[str] = Counter()
        self.values = {
            feature.name: ValueCounts()
            for feature in owners(schema)
            if feature.hash_buckets is None
        }
        self.numbers = {
            feature.name: NumberCounts()
            for feature in schema.features
            if isinstance(feature, Numeric)
        }

    def add(self, frame: pl.DataFrame) -> None:
        """Count everything in one chunk of rows."""
        self.add_values(frame)
        columns = Columns(frame)
        for feature in self._schema.features:
            if isinstance(feature, Numeric):
                numbers = columns.numbers(feature)
                present = numbers[~np.isnan(numbers)]
                self.numbers[feature.name].add(present)
                self._num_present[feature.name] += len(present)
            elif isinstance(feature, Vector):
                vectors, nulls = columns.vectors(feature)
                self._num_present[feature.name] += len(vectors) - nulls
        self._num_rows += frame.height

    def add_values(self, frame: pl.DataFrame) -> None:
        """Count what enters vocabularies in one chunk of rows."""
        columns = Columns(frame)
        for feature in self._schema.features:
            if isinstance(feature, Categorical):
                values = columns.values(feature)
            elif isinstance(feature, Sequence | MultiHot):
                values = columns.lists(feature).values
            else:
                continue
            self._num_present[feature.name] += len(values) - values.null_count()
            if owner(feature) in self.values:
                self.values[owner(feature)].add(values)

    def merge(self, other: TrainingCounts) -> None:
        """Add what was counted on other rows."""
        self._num_rows += other._num_rows
        self._num_present.update(other._num_present)
        for name, values in other.values.items():
            self.values[name].merge(values)
        for name, numbers in other.numbers.items():
            self.numbers[name].merge(numbers)

    def check(self) -> None:
        """Refuse what nothing can be learnt from.

        Raises:
            DataError: no rows.
            SchemaError: features without one value in all rows.
        """
        if not self._num_rows:
            raise DataError("There are no training rows to fit on. Check the split and its dates.")
        empty = [name for name in self._schema.names if not self._num_present[name]]
        if empty:
            raise SchemaError(
                f"{len(empty)} features have no value in any of the {self._num_rows} training "
                f"rows: {', '.join(empty)}. Drop them from the schema, or correct their `column`."
            )


def owners(schema: Schema) -> Iterator[Embedded]:
    """The features that own a table of vectors, in the order of the schema."""
    for feature in schema.features:
        if isinstance(feature, Embedded) and feature.shares is None:
            yield feature


def owner(feature: Embedded) -> str:
    """Name of the feature whose table this one uses: its own, or the one it shares."""
    return feature.name if feature.shares is None else feature.shares
