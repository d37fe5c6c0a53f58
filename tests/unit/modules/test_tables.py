"""One lookup for all features gives what a table apiece would give."""

from __future__ import annotations

import torch
from torch.testing import assert_close

from plait.data.batch import Column, Lists, Table
from plait.modules import Tables

TABLES = (
    Table("user", 6, 4, is_key=True),
    Table("city", 5, 2),
    Table("item", 7, 4),
    Table("tag", 5, 3),
    Table("nobody", 9, 8),
)
COLUMNS = (
    Column("user", "user", "user"),
    Column("city", "city", "city"),
    Column("item", "item", "item"),
    Column("last", "item", "last"),
)
LISTS = (Column("history", "item", "history"), Column("tags", "tag", "tags"))


def make() -> Tables:
    return Tables(TABLES, COLUMNS, LISTS)


def inputs() -> tuple[torch.Tensor, dict[str, Lists]]:
    ids = torch.tensor([[1, 2, 3, 4], [5, 4, 6, 0]], dtype=torch.int32)
    history = Lists(torch.tensor([6, 5], dtype=torch.int32), torch.tensor([0, 0, 2]))
    tags = Lists(torch.tensor([4, 1, 2], dtype=torch.int32), torch.tensor([0, 1, 3]), torch.ones(3))
    return ids, {"history": history, "tags": tags}


def rows(tables: Tables, name: str) -> torch.Tensor:
    width, where = tables.rows_of(name)
    return tables.storages[width][where]


def by_column(tables: Tables, *given: object) -> tuple[dict[str, torch.Tensor], dict[str, object]]:
    """The runs taken apart."""
    runs, sequences = tables(*given)
    vectors = {
        name: vector
        for run, found in runs.items()
        for name, vector in zip(run, found.chunk(len(run), dim=1), strict=True)
    }
    return vectors, sequences


def test_tables_of_one_width_share_a_storage_and_unused_ones_have_none() -> None:
    tables = make()
    assert {width: tuple(storage.shape) for width, storage in tables.storages.items()} == {
        "2": (5, 2),
        "3": (5, 3),
        "4": (13, 4),
    }
    assert tables.rows_of("user") == ("4", slice(0, 6))
    assert tables.rows_of("item") == ("4", slice(6, 13))


def test_every_column_and_list_reads_its_own_table() -> None:
    tables = make()
    ids, lists = inputs()
    vectors, sequences = by_column(tables, ids, lists)
    for place, column in enumerate(COLUMNS):
        assert_close(vectors[column.name], rows(tables, column.table)[ids[:, place].long()])
    for column in LISTS:
        found, given = sequences[column.name], lists[column.name]
        assert_close(found.values, rows(tables, column.table)[given.values.long()])
        assert found.offsets is given.offsets
        assert found.weights is given.weights


def test_columns_of_one_width_that_follow_one_another_are_one_run() -> None:
    ids, lists = inputs()
    assert [*make()(ids, lists)[0]] == [("city",), ("user",), ("item", "last")]
    apart = Tables(TABLES, COLUMNS, LISTS, alone=("last",))
    assert [*apart(ids, lists)[0]] == [("city",), ("user",), ("item",), ("last",)]


def test_gradients_are_row_sparse_in_training_and_add_up() -> None:
    tables = make()
    ids, lists = inputs()
    vectors, sequences = by_column(tables, ids, lists)
    total = sum(v.sum() for v in vectors.values()) + sequences["history"].values.sum()
    total.backward()
    gradient = tables.storages["4"].grad
    assert gradient is not None
    assert gradient.is_sparse
    counts = gradient.to_dense()[:, 0]
    # user 1 and 5; item 3, 6 and `last` 4, 0 and history 6, 5
    assert counts.tolist() == [0, 1, 0, 0, 0, 1, 1, 0, 0, 1, 1, 1, 2]


def test_gradients_are_dense_in_evaluation() -> None:
    tables = make().eval()
    vectors, _ = by_column(tables, *inputs())
    vectors["city"].sum().backward()
    gradient = tables.storages["2"].grad
    assert gradient is not None
    assert not gradient.is_sparse


def test_lists_alone_and_columns_alone_are_enough() -> None:
    ids, lists = inputs()
    only_lists = Tables(TABLES, (), LISTS)
    vectors, sequences = only_lists(ids[:, :0], lists)
    assert vectors == {}
    assert set(sequences) == {"history", "tags"}
    mixed = Tables(TABLES, COLUMNS[:1], LISTS[1:])  # width 3 has a list and no column
    vectors, sequences = mixed(ids[:, :1], lists)
    assert set(vectors) == {("user",)}
    assert sequences["tags"].values.shape == (3, 3)
    only_columns = Tables(TABLES, COLUMNS)
    assert set(by_column(only_columns, ids, {})[0]) == {column.name for column in COLUMNS}
    assert Tables(TABLES, ())(ids[:, :0], {}) == ({}, {})


def test_the_state_holds_the_storages_only() -> None:
    assert set(make().state_dict()) == {"storages.2", "storages.3", "storages.4"}
