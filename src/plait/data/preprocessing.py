"""From raw columns to ids and numbers: learnt from training rows, applied to any rows.

A preprocessor passes through three states. `partial_fit` counts values chunk by chunk, in memory
that grows with the distinct values and not with the rows; `finish` turns the counts into
vocabularies, scales and bins; `transform` applies them. What comes out depends on the rows that
were counted, not on how they were cut into chunks.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import polars as pl

from plait.errors import DataError, SchemaError, UnknownNameError

from .batch import NUM_RESERVED, UNKNOWN, Column, Layout, Number, Table
from .columns import Columns
from .counting import Embedded, TrainingCounts, owner, owners
from .fitted import Fitted, read_fitted, write_fitted
from .numeric import NumberScale
from .prepared import Prepared
from .schema import Categorical, Feature, MultiHot, Numeric, Schema, Sequence, Vector
from .transforming import Filling, bin_name
from .vocabulary import HashBuckets, Vocabulary

__all__ = ["Preprocessor"]

CHUNK_ROWS = 500_000


class Preprocessor:
    """Vocabularies, scales and bins of a schema's features, learnt from training rows.

    Stability: stable.

    Values are looked up by canonical text, so an id that comes as 42, 42.0 or "42" is the same id
    (`plait.data.canonical`). Values seen fewer than `min_count` times in training, and values not
    seen at all, get the id of *unknown* (1), nulls that of *null* (2). Features that share a table
    are counted together. Sequences keep their last `max_length` values, multi-hots their first. An
    infinite number is an error: its place among the others would be made up.

    Example:
        >>> frame = pl.DataFrame({"city": ["Bonn", "Rome", "Bonn", None], "age": [20, 30, 40, 50]})
        >>> schema = Schema((Categorical("city"), Numeric("age", num_bins=0)))
        >>> prepared = Preprocessor(schema).fit(frame).transform(frame)
        >>> prepared.ids[:, 0].tolist(), prepared.counts.unseen
        ([4, 1, 4, 2], {'city': 1})

    Raises:
        SchemaError: a feature is called like the bins of a numeric one (`age.bin`).
    """

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        for feature in schema.features:
            if isinstance(feature, Numeric) and bin_name(feature) in schema.names:
                raise SchemaError(
                    f"Feature {bin_name(feature)!r} is called like the bins of the numeric "
                    f"feature {feature.name!r}. Rename one of them."
                )
        self._counted: TrainingCounts | None = TrainingCounts(schema)
        self._tables: dict[str, Vocabulary | HashBuckets] = {}
        self._scales: dict[str, NumberScale] = {}

    def fit(
        self, frame: pl.DataFrame | pl.LazyFrame, *, chunk_rows: int = CHUNK_ROWS
    ) -> Preprocessor:
        """Count all training rows, chunk by chunk, and finish."""
        for chunk in _chunks(frame, self.schema, chunk_rows):
            self.partial_fit(chunk)
        return self.finish()

    def partial_fit(self, frame: pl.DataFrame) -> Preprocessor:
        """Count the values of one chunk of training rows.

        Raises:
            DataError: the preprocessor is finished, or a column does not hold what its feature
                needs (`ColumnError`).
            UnknownNameError: the frame lacks a column.
        """
        self._counting("partial_fit").add(frame)
        return self

    def merge(self, other: Preprocessor) -> Preprocessor:
        """Add what another preprocessor counted on other rows: the fit of all rows together.

        Raises:
            DataError: one of the two is finished.
            SchemaError: their schemas differ.
        """
        if self.schema != other.schema:
            raise SchemaError("`merge` needs two preprocessors of one schema; these two differ.")
        self._counting("merge").merge(other._counting("merge"))
        return self

    def finish(self) -> Preprocessor:
        """Turn the counts into vocabularies, scales and bins, and drop the counts.

        Raises:
            DataError: it is finished already, or there were no rows.
            SchemaError: a feature had no value at all in the training rows.
        """
        counted = self._counting("finish")
        counted.check()
        for feature in owners(self.schema):
            if feature.hash_buckets is not None:
                self._tables[feature.name] = HashBuckets(feature.hash_buckets)
                continue
            ranked = counted.values[feature.name].ranked(min_count=self._min_count(feature))
            self._tables[feature.name] = Vocabulary(ranked)
        for number in _of_kind(self.schema, Numeric):
            self._scales[number.name] = NumberScale.fit(
                counted.numbers[number.name],
                num_pieces=number.num_pieces,
                num_bins=number.num_bins,
            )
        self._counted = None
        return self

    @property
    def layout(self) -> Layout:
        """Which column of the prepared arrays is what, and how large the tables are."""
        self._check_finished("layout")
        tables, ids, lists = [], [], []
        for feature in self.schema.features:
            if isinstance(feature, Numeric) and feature.num_bins:
                name, rows = bin_name(feature), NUM_RESERVED + feature.num_bins
                tables.append(Table(name, rows, feature.embedding_dim))
                ids.append(Column(name, name, feature.name))
            if isinstance(feature, Embedded) and feature.shares is None:
                tables.append(self._table(feature))
            if isinstance(feature, Categorical):
                ids.append(Column(feature.name, owner(feature), feature.name))
            if isinstance(feature, Sequence | MultiHot):
                lists.append(Column(feature.name, owner(feature), feature.name))
        numbers = [Number(name, scale.num_pieces) for name, scale in self._scales.items()]
        return Layout(
            tables=tuple(tables),
            ids=tuple(ids),
            numbers=tuple(numbers),
            lists=tuple(lists),
            sequences=tuple(feature.name for feature in _of_kind(self.schema, Sequence)),
            vectors={feature.name: feature.size for feature in _of_kind(self.schema, Vector)},
            keys=tuple(role for role in self.schema.roles if role != "time"),
            scenario=self._column_of(self.schema.scenario),
            user=self._column_of(self.schema.user),
            item=self._column_of(self.schema.item),
            after=tuple(f.name for f in self.schema.features if f.known == "after"),
        )

    def transform(self, frame: pl.DataFrame) -> Prepared:
        """The prepared arrays of any rows, with counts of unseen values, nulls and cut lists.

        Raises:
            DataError: it is not finished, or a column does not hold what its feature needs
                (`ColumnError`).
            UnknownNameError: the frame lacks a column.
        """
        layout = self.layout
        filling = Filling(Columns(frame), layout, self._tables)
        for feature in self.schema.features:
            if isinstance(feature, Categorical):
                filling.take_values(feature)
            elif isinstance(feature, Numeric):
                filling.take_numbers(feature, self._scales[feature.name])
            elif isinstance(feature, Sequence | MultiHot):
                filling.take_lists(feature)
            elif isinstance(feature, Vector):
                filling.take_vectors(feature)
        return filling.prepared()

    def extend(self, frame: pl.DataFrame) -> dict[str, int]:
        """Give rows of their own to new values of later data; old ids stay as they are.

        A new value needs `min_count` occurrences in this frame. Scales and bins stay.

        Returns:
            How many values were added to each vocabulary.
        """
        self._check_finished("extend")
        counted = TrainingCounts(self.schema)
        counted.add_values(frame)
        added = {}
        for feature in owners(self.schema):
            table = self._tables[feature.name]
            if isinstance(table, HashBuckets):
                continue
            ranked = counted.values[feature.name].ranked(min_count=self._min_count(feature))
            new = ranked.filter(pl.Series(table.ids(ranked) == UNKNOWN, dtype=pl.Boolean))
            self._tables[feature.name] = table.extended(new)
            added[feature.name] = len(new)
        return added

    def keep(self, older: Preprocessor) -> Preprocessor:
        """Let features that an older preprocessor knows keep their ids, scales and bins.

        Values that are new get the ids behind its own, so that a model which is trained on from
        the older one keeps the vector of every known value. Features that are new stay as fitted.

        Raises:
            SchemaError: a feature was hashed and is not any more, or into another number of rows.
        """
        self._check_finished("keep")
        older._check_finished("keep")
        for name, fitted in self._tables.items():
            known = older._tables.get(name)
            if isinstance(known, Vocabulary) and isinstance(fitted, Vocabulary):
                values = fitted.values
                new = values.filter(pl.Series(known.ids(values) == UNKNOWN, dtype=pl.Boolean))
                self._tables[name] = known.extended(new)
            elif known is not None and known.num_rows != fitted.num_rows:
                raise SchemaError(
                    f"Feature {name!r} is hashed differently than in the run to start from, so "
                    "its vectors would be mixed up. Keep its `hash_buckets`."
                )
        for number in _of_kind(self.schema, Numeric):
            if number in older.schema.features:
                self._scales[number.name] = older._scales[number.name]
        return self

    def save(self, folder: Path | str) -> None:
        """Write `preprocessor.json` and one Arrow file for each vocabulary."""
        self._check_finished("save")
        write_fitted(Path(folder), Fitted(self.schema, self._tables, self._scales))

    @classmethod
    def load(cls, folder: Path | str) -> Preprocessor:
        """The preprocessor that `save` wrote; it transforms every row to the same bits.

        Raises:
            ArtifactError: a file is missing, broken or of another version.
        """
        fitted = read_fitted(Path(folder))
        preprocessor = cls(fitted.schema)
        preprocessor._counted = None
        preprocessor._tables, preprocessor._scales = fitted.tables, fitted.scales
        return preprocessor

    def _column_of(self, source: str | None) -> str | None:
        """The categorical feature that is read from the column of a role."""
        found = (f.name for f in _of_kind(self.schema, Categorical) if f.source == source)
        return None if source is None else next(found, None)

    def _counting(self, action: str) -> TrainingCounts:
        if self._counted is None:
            raise DataError(
                f"`{action}` came after `finish`: the counts are gone. Fit a new Preprocessor, or "
                "add new values with `extend`."
            )
        return self._counted

    def _check_finished(self, action: str) -> None:
        if self._counted is not None:
            raise DataError(
                f"`{action}` needs a finished Preprocessor. Call `fit`, or `partial_fit` and then "
                "`finish`."
            )

    def _min_count(self, feature: Embedded) -> int:
        if feature.min_count is not None:
            return feature.min_count
        return 1 if self.schema.is_key(feature.name) else 2

    def _table(self, feature: Embedded) -> Table:
        is_key = self.schema.is_key(feature.name)
        width = feature.embedding_dim or (16 if is_key else 8)
        return Table(feature.name, self._tables[feature.name].num_rows, width, is_key)


Kind = TypeVar("Kind", bound=Feature)


def _of_kind(schema: Schema, kind: type[Kind]) -> Iterator[Kind]:
    return (feature for feature in schema.features if isinstance(feature, kind))


def _chunks(
    frame: pl.DataFrame | pl.LazyFrame, schema: Schema, chunk_rows: int
) -> Iterator[pl.DataFrame]:
    """The columns that the features read, `chunk_rows` rows at a time."""
    if isinstance(frame, pl.DataFrame):
        yield from frame.iter_slices(chunk_rows)
        return
    known = frame.collect_schema().names()
    needed = list(dict.fromkeys(c for feature in schema.features for c in feature.columns()))
    for column in needed:
        if column not in known:
            raise UnknownNameError(column, what="column", known=known, where="the data")
    yield from frame.select(needed).collect_batches(chunk_size=chunk_rows, maintain_order=True)
