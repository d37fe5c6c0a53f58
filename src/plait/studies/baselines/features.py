"""Prepared rows as matrices: sparse for linear models, dense for trees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from plait.data.batch import Batch, Layout, Lists
from plait.data.store import Store

__all__ = ["DenseRows", "dense_rows", "sparse_rows"]

FEW_SHARES = 64
"""Most values of a list that trees get a column for each."""
FEW_VALUES = 255
"""Most values of a column that histogram trees can split as categories."""


def sparse_rows(store: Store, rows: NDArray[np.int64]) -> sparse.csr_array:
    """Features `[n, F]` for a linear model.

    Ids are one column a value, lists the share of each value in the row's list, numbers their
    normal quantile and a mark where they are missing.
    """
    batch = store.batch(rows)
    blocks = [
        _one_hot(batch.ids[:, place].numpy(), store.layout.table(column.table).num_rows)
        for place, column in enumerate(store.layout.ids)
    ]
    blocks += [
        _bag(batch.lists[column.name], store.layout.table(column.table).num_rows)
        for column in store.layout.lists
    ]
    blocks.append(sparse.csr_array(_plain_numbers(batch, store.layout)))
    return sparse.csr_array(sparse.hstack(blocks, format="csr"))


@dataclass(frozen=True)
class DenseRows:
    """Features of some rows for trees.

    Attributes:
        values: float64 `[n, F]`.
        categories: places of columns whose numbers are categories, few enough for trees.
        ids: places of columns whose numbers are categories, too many for trees.
    """

    values: NDArray[np.float64]
    categories: tuple[int, ...]
    ids: tuple[int, ...]


def dense_rows(store: Store, rows: NDArray[np.int64]) -> DenseRows:
    """Features `[n, F]` for trees: ids as they are, lists by length and shares, numbers.

    Lists of more than `FEW_SHARES` values enter by their length alone. The bins of numbers are
    left out: trees cut for themselves.
    """
    batch = store.batch(rows)
    places = [p for p, column in enumerate(store.layout.ids) if column.name == column.feature]
    sizes = [store.layout.table(store.layout.ids[place].table).num_rows for place in places]
    lists = [
        _list_columns(batch.lists[column.name], store.layout.table(column.table).num_rows)
        for column in store.layout.lists
    ]
    columns = [batch.ids[:, place].numpy() for place in places]
    numbers = _plain_numbers(batch, store.layout)
    values = np.column_stack([*columns, *lists, numbers]).astype(np.float64)
    few = tuple(at for at, size in enumerate(sizes) if size <= FEW_VALUES)
    return DenseRows(values, few, tuple(at for at in range(len(sizes)) if at not in few))


def _list_columns(lists: Lists, num_rows: int) -> NDArray[np.float32]:
    """The length of each row's list and, where values are few, the share of each: `[n, 1 + V]`."""
    lengths = np.diff(lists.offsets.numpy())[:, None].astype(np.float32)
    if num_rows > FEW_SHARES:
        return lengths
    return np.hstack([lengths, _bag(lists, num_rows).toarray()])


def _plain_numbers(batch: Batch, layout: Layout) -> NDArray[np.float32]:
    """Normal quantile and missing mark of each number, then the vectors: `[n, M]`."""
    columns = batch.numbers.numpy().reshape(len(batch), len(layout.numbers), 3)
    numbers = columns[:, :, 0::2].reshape(len(batch), -1)
    return np.hstack([numbers, *(vector.numpy() for vector in batch.vectors.values())])


def _one_hot(ids: NDArray[np.int32], num_rows: int) -> sparse.csr_array:
    ones = np.ones(len(ids), dtype=np.float32)
    offsets = np.arange(len(ids) + 1)
    return sparse.csr_array((ones, ids.astype(np.int64), offsets), shape=(len(ids), num_rows))


def _bag(lists: Lists, num_rows: int) -> sparse.csr_array:
    offsets = lists.offsets.numpy()
    lengths = np.diff(offsets)
    shares = np.repeat(1.0 / np.maximum(lengths, 1), lengths).astype(np.float32)
    values = lists.values.numpy().astype(np.int64)
    counted = sparse.csr_array((shares, values, offsets), shape=(len(lengths), num_rows))
    counted.sum_duplicates()
    return counted
