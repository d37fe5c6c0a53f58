"""What the device sees: one batch of prepared rows, and the layout that a model is built for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

PADDING, UNKNOWN, NULL, MASK = 0, 1, 2, 3
NUM_RESERVED = 4
"""Ids below this are reserved in every table: padding, unknown, null and mask."""


class Lists(NamedTuple):
    """Ragged rows: the values of all rows one after another, and where each row begins.

    Attributes:
        values: ids, int32 `[N]`.
        offsets: int64 `[B + 1]`; row `i` holds `values[offsets[i]:offsets[i + 1]]`.
        weights: float32 `[N]`, or None for equal weights.
    """

    values: Tensor
    offsets: Tensor
    weights: Tensor | None = None


@dataclass(frozen=True)
class Batch:
    """One batch of prepared rows: features, labels, masks, weights and keys.

    Stability: stable.

    Attributes:
        ids: int32 `[B, C]`, one column for each of `Layout.ids`.
        numbers: float32 `[B, 3 * M]`, for each of the M numeric features the three columns
            (normal quantile, position in pieces, 1 where missing), feature by feature.
        lists: sequences and multi-hots by name.
        vectors: float32 `[B, size]` by name.
        labels: float32 `[B]` by task; 0 where not observed.
        observed: bool `[B]` by task: inside the task's space and the label is there.
        weights: float32 `[B]` by task.
        extras: float32 `[B]` by `task.column`, what a head reads besides the label.
        keys: int64 `[B]` by role: codes that are equal where the raw values are.
        rows: int64 `[B]`, the rows' positions in the store.
    """

    ids: Tensor
    numbers: Tensor
    lists: Mapping[str, Lists]
    vectors: Mapping[str, Tensor]
    labels: Mapping[str, Tensor]
    observed: Mapping[str, Tensor]
    weights: Mapping[str, Tensor]
    extras: Mapping[str, Tensor]
    keys: Mapping[str, Tensor]
    rows: Tensor

    def __len__(self) -> int:
        return len(self.rows)

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> Batch:
        """The same batch on another device."""

        def move(tensor: Tensor) -> Tensor:
            return tensor.to(device, non_blocking=non_blocking)

        def move_all(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
            return {name: move(tensor) for name, tensor in tensors.items()}

        def move_list(lists: Lists) -> Lists:
            weights = None if lists.weights is None else move(lists.weights)
            return Lists(move(lists.values), move(lists.offsets), weights)

        return replace(
            self,
            ids=move(self.ids),
            numbers=move(self.numbers),
            lists={name: move_list(lists) for name, lists in self.lists.items()},
            vectors=move_all(self.vectors),
            labels=move_all(self.labels),
            observed=move_all(self.observed),
            weights=move_all(self.weights),
            extras=move_all(self.extras),
            keys=move_all(self.keys),
            rows=move(self.rows),
        )


@dataclass(frozen=True)
class Table:
    """One table of vectors.

    Attributes:
        name: the feature that owns it.
        num_rows: reserved rows and vocabulary together.
        width: length of a vector.
        is_key: whether it holds users or items.
    """

    name: str
    num_rows: int
    width: int
    is_key: bool = False


@dataclass(frozen=True)
class Column:
    """One column of ids, or one list feature, and the table that it is looked up in.

    Attributes:
        name: the feature; the bins of a numeric feature `age` are called `age.bin`.
        table: name of the table.
        feature: the feature that the column belongs to (`age` for `age.bin`).
    """

    name: str
    table: str
    feature: str


@dataclass(frozen=True)
class Number:
    """One numeric feature.

    Attributes:
        name: the feature.
        num_pieces: pieces of its piecewise-linear encoding (0: none). The position column runs
            from 0 to `num_pieces`.
    """

    name: str
    num_pieces: int


@dataclass(frozen=True)
class Layout:
    """What a fitted preprocessor promises to a model: which column is what, and how large.

    Attributes:
        tables: every table of vectors.
        ids: the columns of `Batch.ids`, in order.
        numbers: the numeric features of `Batch.numbers`, in order.
        lists: the list features of `Batch.lists`.
        sequences: those of `lists` whose order means something.
        vectors: the vector features, as name -> size.
        keys: the roles in `Batch.keys`.
        scenario: the column of `ids` that tells the scenario, where the schema has one among its
            features.
        user: the column of `ids` that tells the user, likewise.
        item: the column of `ids` that tells the item, likewise.
        after: the features that are only known after the exposure.
    """

    tables: tuple[Table, ...] = ()
    ids: tuple[Column, ...] = ()
    numbers: tuple[Number, ...] = ()
    lists: tuple[Column, ...] = ()
    sequences: tuple[str, ...] = ()
    vectors: Mapping[str, int] | None = None
    keys: tuple[str, ...] = ()
    scenario: str | None = None
    user: str | None = None
    item: str | None = None
    after: tuple[str, ...] = ()

    def table(self, name: str) -> Table:
        """The table of this name."""
        return next(table for table in self.tables if table.name == name)
