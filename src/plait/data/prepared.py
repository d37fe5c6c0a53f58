"""What a preprocessor gives for a frame of raw rows: arrays, and counts of what it met."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Counts", "Prepared", "RaggedArray"]


class RaggedArray(NamedTuple):
    """Ragged rows as arrays; row `i` holds `values[offsets[i]:offsets[i + 1]]`.

    Attributes:
        values: ids, int32 `[number of values]`; no padding among them.
        offsets: int64 `[N + 1]`.
        weights: float32 `[number of values]`, or None for equal weights.
    """

    values: NDArray[np.int32]
    offsets: NDArray[np.int64]
    weights: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Counts:
    """What a transform met that a person should know of, by feature; features with 0 are left out.

    Attributes:
        unseen: values without a vector of their own (never seen in training, or too rarely).
        nulls: null rows.
        cut: rows whose list was longer than `max_length`.
    """

    unseen: Mapping[str, int] = field(default_factory=dict)
    nulls: Mapping[str, int] = field(default_factory=dict)
    cut: Mapping[str, int] = field(default_factory=dict)

    def plus(self, other: Counts) -> Counts:
        """The counts of two parts of the rows together.

        Example:
            >>> Counts(nulls={"age": 1}).plus(Counts(nulls={"age": 2, "sex": 1})).nulls
            {'age': 3, 'sex': 1}
        """
        return Counts(
            unseen=_sum(self.unseen, other.unseen),
            nulls=_sum(self.nulls, other.nulls),
            cut=_sum(self.cut, other.cut),
        )


@dataclass(frozen=True)
class Prepared:
    """The features of N rows, as the columns of `Layout` describe them.

    Attributes:
        ids: int32 `[N, C]`, row after row in memory.
        numbers: float32 `[N, 3 * M]`, row after row in memory.
        lists: sequences and multi-hots by name.
        vectors: float32 `[N, size]` by name.
        counts: what was met on the way.
    """

    ids: NDArray[np.int32]
    numbers: NDArray[np.float32]
    lists: Mapping[str, RaggedArray]
    vectors: Mapping[str, NDArray[np.float32]]
    counts: Counts

    def __len__(self) -> int:
        return len(self.ids)


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in [*one, *other]}
