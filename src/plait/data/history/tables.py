"""The histories of users and items as they stand after training: part of the artifact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from plait.data.schema import Categorical, Feature, Numeric, Schema, Sequence
from plait.errors import SchemaError, UnknownNameError

from .events import instants
from .formulas import Formulas
from .groups import Groups
from .sequences import Windows
from .sums import Past, Prior, Sums

__all__ = ["HistoryTables"]


@dataclass(frozen=True)
class HistoryTables:
    """What is known of users and items after the last training row.

    Stability: experimental.

    Made by `fit_history`. `transform` adds the history to raw rows that are not training rows;
    somebody unknown gets what is expected of anybody. Memory grows with users, items, their pairs
    and the values that users are crossed with, not with rows.

    Attributes:
        formulas: which columns are made.
        groups: who is known.
        sums: what each of them did, by the name of what is grouped.
        prior: what is expected of somebody unknown.
        sequences: the last items of each user, by the name of the sequence.
        names: the columns of numbers that said something on the training rows.
        time: the column of the time, where recency counts.
    """

    formulas: Formulas
    groups: Groups
    sums: Mapping[str, Sums]
    prior: Prior
    sequences: Mapping[str, Windows]
    names: tuple[str, ...]
    time: str | None

    @property
    def columns(self) -> tuple[str, ...]:
        """The raw columns that `transform` reads."""
        crossed = [column for feature in self.groups.crossed for column in feature.columns()]
        time = [] if self.time is None else [self.time]
        return tuple(dict.fromkeys([*self.groups.columns.values(), *crossed, *time]))

    def features(self, schema: Schema) -> tuple[Feature, ...]:
        """The history as features: numbers in 24 pieces without bins, and sequences.

        A sequence looks its items up in the table of the item's own feature, where there is one.
        """
        item = schema.item
        shared = next(
            (f for f in schema.features if isinstance(f, Categorical) and f.source == item), None
        )
        table = None if shared is None else shared.shares or shared.name
        length = self.formulas.history.sequence_length
        return (
            *(Numeric(name, num_bins=0) for name in self.names),
            *(Sequence(name, shares=table, max_length=length) for name in self.sequences),
        )

    def extended(self, schema: Schema) -> Schema:
        """The schema with the features of the history.

        Raises:
            SchemaError: a feature or a column of the schema is called like one of them.
        """
        made = self.features(schema)
        taken = {feature.name for feature in made} & {*schema.names, *schema.columns()}
        if taken:
            raise SchemaError(
                f"The log has columns called like features of the history: "
                f"{', '.join(sorted(taken))}. Rename them, or drop the history."
            )
        return replace(schema, features=(*schema.features, *made))

    def transform(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The rows with the columns of their history. Labels are neither needed nor read.

        Raises:
            UnknownNameError: a column that is missing.
            ColumnError: a column that does not hold what it should.
        """
        return frame.hstack(self.history_of(frame))

    def history_of(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The columns of the history alone."""
        for column in self.columns:
            if column not in frame.columns:
                raise UnknownNameError(
                    column,
                    what="column",
                    known=frame.columns,
                    where="the data, and the history reads it",
                )
        codes = self.groups.codes(frame)
        members = {n: m for n, m in self.groups.members(codes).items() if n in self.sums}
        seen = {name: self.sums[name].at(every.groups) for name, every in members.items()}
        now = None if self.time is None else instants(frame[self.time], column=self.time)
        found = self.formulas.columns(Past(seen, members, self.prior, now))
        numbers = numbers_frame({name: found[name] for name in self.names}, frame.height)
        if not self.sequences:
            return numbers
        assert codes.user is not None
        users = codes.user.astype(np.int64)
        return numbers.with_columns(
            windows.series(users, self.item_values).alias(name)
            for name, windows in self.sequences.items()
        )

    @property
    def item_values(self) -> pl.Series:
        """The raw value of each item, in the order of groups."""
        return self.groups.vocabularies["item"].values


def numbers_frame(columns: Mapping[str, NDArray[np.floating]], rows: int) -> pl.DataFrame:
    """Columns of a history as float32, null where they cannot be known; there may be none."""
    if not columns:
        return pl.DataFrame(height=rows)
    return pl.DataFrame(
        [
            pl.Series(name, np.ascontiguousarray(column, dtype=np.float32)).fill_nan(None)
            for name, column in columns.items()
        ]
    )
