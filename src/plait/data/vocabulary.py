"""Vocabularies: which value has which row of a table, found fast and kept for good."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from .batch import NULL, NUM_RESERVED, UNKNOWN
from .canonical import as_integers, as_text, hashes

__all__ = ["HashBuckets", "ValueCounts", "Vocabulary"]

_PENDING_ROWS = 250_000
_SMALL_REQUEST = 16


class ValueCounts:
    """How often each canonical value was seen: exact, mergeable, in the order of nothing.

    Memory grows with the number of *distinct* values, not of rows. Integers and texts are counted
    apart and brought together at the end, so that the result does not depend on which chunk held
    which type.

    Example:
        >>> counts = ValueCounts()
        >>> counts.add(pl.Series([5, 3, 5, None]))
        >>> counts.ranked(min_count=1).to_list()
        [5, 3]
    """

    def __init__(self) -> None:
        self._counted: dict[str, list[pl.DataFrame]] = {"integers": [], "texts": []}

    def add(self, values: pl.Series) -> None:
        """Count canonical values; nulls are left out."""
        counted = values.drop_nulls().alias("value").value_counts(name="count")
        self._append("texts" if values.dtype == pl.String else "integers", counted)

    def merge(self, other: ValueCounts) -> None:
        """Add what another part of the rows counted."""
        for kind, frames in other._counted.items():
            for frame in frames:
                self._append(kind, frame)

    def ranked(self, *, min_count: int) -> pl.Series:
        """The values seen `min_count` times or more, the most frequent first, ties by value."""
        integers, texts = self._total("integers"), self._total("texts")
        total = integers
        if not texts.is_empty():
            worded = integers.with_columns(pl.col("value").cast(pl.String))
            total = _summed([worded, texts])
        kept = total.filter(pl.col("count") >= min_count)
        return kept.sort(["count", "value"], descending=[True, False])["value"]

    def _append(self, kind: str, counted: pl.DataFrame) -> None:
        frames = self._counted[kind]
        frames.append(counted.with_columns(pl.col("count").cast(pl.Int64)))
        pending = sum(frame.height for frame in frames[1:])
        if pending > max(_PENDING_ROWS, frames[0].height):
            self._counted[kind] = [_summed(frames)]

    def _total(self, kind: str) -> pl.DataFrame:
        dtype = pl.String if kind == "texts" else pl.Int64
        empty = pl.DataFrame(schema={"value": dtype, "count": pl.Int64})
        return _summed([empty, *self._counted[kind]])


class Vocabulary:
    """The values that have a row of their own, in order of their ids.

    Ids below 4 are reserved; the first value has id 4. Values are canonical
    (`plait.data.canonical`): a lookup compares canonical text, whatever type the column arrives in.
    The vocabulary is append-only: an id, once given, keeps its value.

    Example:
        >>> vocabulary = Vocabulary(pl.Series([42, 7]))
        >>> vocabulary.ids(pl.Series(["42", "7", "8", None])).tolist()
        [4, 5, 1, 2]
    """

    def __init__(self, values: pl.Series) -> None:
        self.values = values.alias("value")

    @property
    def num_rows(self) -> int:
        """Rows of the table: reserved ones and values."""
        return NUM_RESERVED + len(self.values)

    def ids(self, values: pl.Series) -> NDArray[np.int32]:
        """The id of each canonical value; 1 for values that are not here, 2 for nulls."""
        nulls = values.is_null().to_numpy()
        alike = as_text(values) if self._is_text else as_integers(values)
        found = self._found(alike)
        found[nulls] = NULL
        return found

    def extended(self, values: pl.Series) -> Vocabulary:
        """The same vocabulary with further values, all of them new, behind the old ones."""
        if values.dtype == self.values.dtype:
            return Vocabulary(pl.concat([self.values, values.alias("value")]))
        return Vocabulary(pl.concat([as_text(self.values), as_text(values).alias("value")]))

    @property
    def _is_text(self) -> bool:
        return self.values.dtype == pl.String

    def _found(self, values: pl.Series) -> NDArray[np.int32]:
        if self._direct is not None:
            return self._found_directly(values, *self._direct)
        if len(values) * _SMALL_REQUEST < len(self.values):
            return self._found_by_search(values)
        table = pl.DataFrame({"value": self.values, "id": self._new_ids})
        joined = values.to_frame("value").join(table, on="value", how="left", maintain_order="left")
        return joined["id"].fill_null(UNKNOWN).to_numpy(writable=True)

    def _found_directly(
        self, values: pl.Series, low: int, ids: NDArray[np.int32]
    ) -> NDArray[np.int32]:
        """Dense integers: one look into an array; its last entry stands for all others."""
        numbers = values.fill_null(low).to_numpy()
        inside = (numbers >= low) & (numbers < low + len(ids) - 1)
        slots = np.where(inside, numbers, low + len(ids) - 1) - low
        found: NDArray[np.int32] = ids[slots]
        found[values.is_null().to_numpy()] = UNKNOWN
        return found

    def _found_by_search(self, values: pl.Series) -> NDArray[np.int32]:
        """Few values against a large vocabulary: binary search instead of hashing it all."""
        ordered, ids = self._ordered
        places = pl.Series(ordered.search_sorted(values, side="left")).to_numpy()
        places = np.minimum(places, len(ordered) - 1)
        same = (ordered.gather(places) == values).fill_null(value=False).to_numpy()
        return np.where(same, ids[places], UNKNOWN).astype(np.int32)

    @cached_property
    def _new_ids(self) -> NDArray[np.int32]:
        return np.arange(NUM_RESERVED, self.num_rows, dtype=np.int32)

    @cached_property
    def _ordered(self) -> tuple[pl.Series, NDArray[np.int32]]:
        order = self.values.arg_sort()
        return self.values.gather(order), self._new_ids[order.to_numpy()]

    @cached_property
    def _direct(self) -> tuple[int, NDArray[np.int32]] | None:
        """The smallest value, and the id at each step from it; None where values lie far apart."""
        if self._is_text or self.values.is_empty():
            return None
        numbers = self.values.to_numpy()
        low, high = int(numbers.min()), int(numbers.max())
        if high - low > 4 * len(numbers) + 1024:
            return None
        ids = np.full(high - low + 2, UNKNOWN, dtype=np.int32)
        ids[numbers - low] = self._new_ids
        return low, ids


class HashBuckets:
    """Rows for values that are hashed instead of kept: nothing to store, nothing unknown.

    The row is xxh64 (seed 0) of the canonical text's UTF-8 bytes, modulo the number of buckets,
    plus 4. It is the same on every machine and in every version.

    Example:
        >>> HashBuckets(100).ids(pl.Series(["a", None])).tolist()
        [59, 2]
    """

    def __init__(self, buckets: int) -> None:
        self.buckets = buckets

    @property
    def num_rows(self) -> int:
        """Rows of the table: reserved ones and buckets."""
        return NUM_RESERVED + self.buckets

    def ids(self, values: pl.Series) -> NDArray[np.int32]:
        """The row of each canonical value; 2 for nulls."""
        nulls = values.is_null().to_numpy()
        codes = hashes(as_text(values).fill_null(""))
        found = (codes % np.uint64(self.buckets)).astype(np.int32) + NUM_RESERVED
        found[nulls] = NULL
        return found


def _summed(frames: list[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat(frames).group_by("value").agg(pl.col("count").sum())
