"""The prepared store, read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from polars.testing import assert_frame_equal
from tests.unit.data.store_making import Made, make

from plait.data.store import Store
from plait.errors import ArtifactError, UnknownNameError


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make(tmp_path_factory.mktemp("stores") / "train", 40)


def test_a_batch_holds_the_rows_that_were_written(made: Made) -> None:
    rows = np.array([39, 0, 7, 7, 20])
    batch = made.store.batch(rows)
    np.testing.assert_array_equal(batch.ids, made.prepared.ids[rows])
    np.testing.assert_array_equal(batch.numbers, made.prepared.numbers[rows])
    np.testing.assert_array_equal(batch.vectors["image"], made.prepared.vectors["image"][rows])
    for place, task in enumerate(("click", "buy")):
        np.testing.assert_array_equal(batch.labels[task], made.labels[rows, place])
        np.testing.assert_array_equal(batch.observed[task], made.observed[rows, place])
        np.testing.assert_array_equal(batch.weights[task], made.weights[rows, place])
    np.testing.assert_array_equal(batch.extras["buy.price"], made.extras[rows, 0])
    np.testing.assert_array_equal(batch.keys["user"], made.frame["user_id"].gather(rows))
    assert batch.rows.tolist() == rows.tolist()
    assert len(batch) == 5


def test_ragged_rows_are_gathered_value_by_value(made: Made) -> None:
    rows = np.array([3, 31, 3, 0])
    batch = made.store.batch(rows)
    for name in ("history", "tags"):
        whole, taken = made.prepared.lists[name], batch.lists[name]
        for place, row in enumerate(rows):
            own = slice(whole.offsets[row], whole.offsets[row + 1])
            its = slice(int(taken.offsets[place]), int(taken.offsets[place + 1]))
            np.testing.assert_array_equal(taken.values[its], whole.values[own])
            if whole.weights is not None:
                assert taken.weights is not None
                np.testing.assert_array_equal(taken.weights[its], whole.weights[own])
    assert batch.lists["history"].weights is None


def test_tensors_have_the_types_of_a_batch(made: Made) -> None:
    batch = made.store.batch(slice(2, 5))
    assert batch.ids.dtype == torch.int32
    assert batch.numbers.dtype == torch.float32
    assert batch.lists["history"].values.dtype == torch.int32
    assert batch.lists["history"].offsets.dtype == torch.int64
    assert batch.observed["buy"].dtype == torch.bool
    assert batch.labels["buy"].dtype == batch.weights["buy"].dtype == torch.float32
    assert batch.keys["request"].dtype == batch.rows.dtype == torch.int64


def test_a_batch_may_be_written_to_without_harm_to_the_store(made: Made) -> None:
    before = made.store.batch(slice(0, 3)).ids.clone()
    made.store.batch(slice(0, 3)).ids.fill_(9)
    assert torch.equal(made.store.batch(slice(0, 3)).ids, before)


def test_an_empty_batch_is_a_batch(made: Made) -> None:
    batch = made.store.batch(slice(0, 0))
    assert len(batch) == 0
    assert batch.ids.shape == (0, made.prepared.ids.shape[1])
    assert batch.lists["tags"].offsets.tolist() == [0]


def test_columns_are_views_of_the_map(made: Made) -> None:
    store = made.store
    np.testing.assert_array_equal(store.labels("buy"), made.labels[:, 1])
    np.testing.assert_array_equal(store.observed("click"), made.observed[:, 0])
    np.testing.assert_array_equal(store.weights("click"), made.weights[:, 0])
    np.testing.assert_array_equal(store.extra("buy.price"), made.extras[:, 0])
    np.testing.assert_array_equal(store.key("request"), made.frame["request_id"])
    assert not store.labels("buy").flags.owndata
    assert not store.labels("buy").flags.writeable
    assert store.observed("buy").dtype == np.bool_
    assert len(store) == 40


def test_raw_columns_come_back_row_by_row(made: Made) -> None:
    assert_frame_equal(made.store.frame(), made.frame.select("city", "age"))
    assert_frame_equal(made.store.frame(["age"]), made.frame.select("age"))
    assert made.store.frame([]).shape == (40, 0)


def test_the_store_says_what_it_holds(made: Made) -> None:
    store = Store.open(made.store.folder)
    assert store.layout == made.store.layout
    assert store.layout.keys == ("user", "request")
    assert store.tasks == ("click", "buy")
    assert store.extras == ("buy.price",)
    assert store.fingerprint == "f00"
    click = store.facts["tasks"]["click"]
    assert click["observed"] == made.observed[:, 0].sum()
    assert click["positives"] == made.labels[:, 0].sum()
    assert click["weight"] == pytest.approx(made.weights[:, 0].sum(dtype=np.float64))
    assert store.facts["nulls"] == {"user": 0, "request": 0}


def test_other_labels_leave_features_and_files_alone(made: Made) -> None:
    files = {path.name: path.read_bytes() for path in made.store.folder.iterdir()}
    kept = np.arange(40) % 3 == 0
    turned = 1 - made.labels[:, 1]
    other = made.store.relabelled(observed={"buy": kept}, labels={"buy": turned})
    seen = made.observed[:, 1] & kept
    np.testing.assert_array_equal(other.observed("buy"), seen)
    np.testing.assert_array_equal(other.labels("buy"), np.where(seen, turned, 0))
    np.testing.assert_array_equal(other.weights("buy"), np.where(seen, made.weights[:, 1], 0))
    np.testing.assert_array_equal(other.labels("click"), made.labels[:, 0])
    np.testing.assert_array_equal(made.store.observed("buy"), made.observed[:, 1])
    one, own = other.batch(slice(None)), made.store.batch(slice(None))
    assert torch.equal(one.ids, own.ids)
    assert one.observed["buy"].tolist() == seen.tolist()
    assert one.observed["click"].tolist() == made.observed[:, 0].tolist()
    assert {path.name: path.read_bytes() for path in made.store.folder.iterdir()} == files


def test_other_labels_are_counted_anew(made: Made) -> None:
    other = made.store.relabelled(observed={"buy": np.arange(40) < 10})
    buy = other.facts["tasks"]["buy"]
    assert buy["observed"] == made.observed[:10, 1].sum()
    assert buy["positives"] == made.labels[:10, 1].sum()
    assert buy["weight"] == pytest.approx(made.weights[:10, 1].sum(dtype=np.float64))
    assert other.facts["tasks"]["click"] == made.store.facts["tasks"]["click"]
    assert other.facts["nulls"] == made.store.facts["nulls"]
    whole = made.store.relabelled(observed={})
    assert whole.facts == made.store.facts


def test_other_labels_need_a_task(made: Made) -> None:
    with pytest.raises(UnknownNameError, match="no task 'by' in the store"):
        made.store.relabelled(observed={"by": np.ones(40, dtype=np.bool_)})


def test_a_store_without_rows_is_harmless(tmp_path: Path) -> None:
    store = make(tmp_path / "empty", 0).store
    assert store.num_rows == 0
    assert len(store.batch(slice(None))) == 0
    assert store.labels("click").tolist() == []
    assert store.facts["tasks"]["click"] == {"observed": 0, "positives": 0, "weight": 0.0}


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda store: store.labels("clik"), "no task 'clik' in the store. Did you mean 'click'"),
        (lambda store: store.observed("x"), "no task 'x'"),
        (lambda store: store.weights("x"), "no task 'x'"),
        (lambda store: store.extra("price"), "no extra column 'price'"),
        (lambda store: store.key("item"), "no role 'item' in the store"),
        (lambda store: store.frame(["land"]), "no raw column 'land' in the store"),
    ],
)
def test_wrong_names_are_answered_with_the_known_ones(
    made: Made, ask: Callable[[Store], object], message: str
) -> None:
    with pytest.raises(UnknownNameError, match=message):
        ask(made.store)


def test_a_folder_without_a_store_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"store\.json: there is no store"):
        Store.open(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda form: "{", "no JSON"),
        (lambda form: "[]", "of version None"),
        (lambda form: json.dumps({**form, "version": 9}), "of version 9, and this plait reads"),
        (lambda form: json.dumps({**form, "num_rows": 3}), "holds 12 rows instead of 3"),
        (lambda form: json.dumps({"version": 1}), "the store is broken"),
    ],
)
def test_a_broken_description_is_told_apart(
    tmp_path: Path, change: Callable[[dict[str, object]], str], message: str
) -> None:
    folder = make(tmp_path / "s", 12).store.folder
    form = json.loads((folder / "store.json").read_text(encoding="utf-8"))
    (folder / "store.json").write_text(change(form), encoding="utf-8")
    with pytest.raises(ArtifactError, match=message):
        Store.open(folder)


@pytest.mark.parametrize("name", ["rows.arrow", "list-001.arrow"])
def test_a_missing_or_cut_file_is_told_apart(tmp_path: Path, name: str) -> None:
    folder = make(tmp_path / "s", 12).store.folder
    content = (folder / name).read_bytes()
    (folder / name).unlink()
    with pytest.raises(ArtifactError, match="the store is broken"):
        Store.open(folder)
    (folder / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(ArtifactError, match="the store is broken"):
        Store.open(folder)


def test_the_files_are_open_to_other_tools(made: Made) -> None:
    rows = pl.read_ipc(made.store.folder / "rows.arrow")
    np.testing.assert_array_equal(rows["ids"].to_numpy(), made.prepared.ids)
    lists = pl.read_ipc(made.store.folder / "list-000.arrow")["values"]
    lengths = np.diff(made.prepared.lists["history"].offsets)
    assert lists.list.len().to_list() == lengths.tolist()
