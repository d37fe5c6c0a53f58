"""Feature matrices: every prepared feature is in them, at its own place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.unit.makers import Data, make_data

from plait.studies.baselines.features import dense_rows, sparse_rows


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    folder: Path = tmp_path_factory.mktemp("features")
    return make_data(folder)


def test_ids_become_one_column_a_value_and_lists_the_shares_of_theirs(data: Data) -> None:
    store = data.train
    rows = np.array([3, 0, 7])
    matrix = sparse_rows(store, rows).toarray()
    batch = store.batch(rows)
    at = 0
    for place, column in enumerate(store.layout.ids):
        width = store.layout.table(column.table).num_rows
        wanted = np.eye(width)[batch.ids[:, place].numpy()]
        np.testing.assert_array_equal(matrix[:, at : at + width], wanted)
        at += width
    for column in store.layout.lists:
        width = store.layout.table(column.table).num_rows
        lists = batch.lists[column.name]
        for row in range(len(rows)):
            values = lists.values[lists.offsets[row] : lists.offsets[row + 1]].numpy()
            wanted = np.bincount(values, minlength=width) / max(1, len(values))
            np.testing.assert_allclose(matrix[row, at : at + width], wanted, rtol=1e-6)
        at += width
    assert matrix.shape[1] == at + 2 * len(store.layout.numbers) + 3  # a vector of three


def test_trees_read_ids_as_categories_and_no_bins(data: Data) -> None:
    found = dense_rows(data.train, np.arange(10))
    names = [column.name for column in data.train.layout.ids if column.name == column.feature]
    assert names == ["user_id", "item_id", "city"]
    assert found.categories == (0, 1, 2)
    assert found.ids == ()
    lengths = np.diff(data.train.batch(slice(0, 10)).lists["history"].offsets.numpy())
    np.testing.assert_array_equal(found.values[:, 3], lengths)
