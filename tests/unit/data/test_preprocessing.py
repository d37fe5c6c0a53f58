"""From raw columns to ids and numbers."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plait.data.batch import NULL, UNKNOWN, Column, Number, Table
from plait.data.prepared import Counts, Prepared
from plait.data.preprocessing import Preprocessor
from plait.data.schema import Categorical, MultiHot, Numeric, Schema, Sequence, Vector
from plait.errors import (
    ArtifactError,
    ColumnError,
    DataError,
    SchemaError,
    UnknownNameError,
)

SCHEMA = Schema(
    (
        Categorical("user_id"),
        Categorical("city"),
        Categorical("home", shares="city"),
        Categorical("device", hash_buckets=50, embedding_dim=4),
        Numeric("age", num_pieces=4, num_bins=6),
        Numeric("price", num_bins=0),
        Sequence("history", max_length=3, min_count=1),
        MultiHot("tags", weights="shares", delimiter=";"),
        Vector("image", size=2),
    ),
    user="user_id",
    request="request_id",
    time="time",
)

FRAME = pl.DataFrame(
    {
        "user_id": [11, 12, 11, None],
        "city": ["Bonn", "Rome", None, "Oslo"],
        "home": ["Rome", "Bonn", "Kiel", "Bonn"],
        "device": ["a", None, "b", "a"],
        "age": [20, None, 40, 40],
        "price": [0.0, 1.5, float("nan"), 3.0],
        "history": [[1, 2, 3, 4], [2], [], None],
        "tags": ["x;y", "x", "", None],
        "shares": ["0.5;1", "2", "", None],
        "image": [[1.0, 2.0], [3.0, 4.0], None, [5.0, 6.0]],
        "request_id": [1, 1, 2, 2],
        "time": [1, 2, 3, 4],
    }
)


def assert_same(one: Prepared, other: Prepared) -> None:
    np.testing.assert_array_equal(one.ids, other.ids)
    np.testing.assert_array_equal(one.numbers, other.numbers)
    assert one.counts == other.counts
    for name, ragged in one.lists.items():
        for mine, its in zip(ragged, other.lists[name], strict=True):
            np.testing.assert_array_equal(mine, its)
    for name, vectors in one.vectors.items():
        np.testing.assert_array_equal(vectors, other.vectors[name])


def single(*features: Categorical | Numeric | Sequence | MultiHot | Vector) -> Schema:
    return Schema(features)


def test_a_small_log_is_prepared_as_worked_out_by_hand() -> None:
    prepared = Preprocessor(SCHEMA).fit(FRAME).transform(FRAME)
    # city and home together: Bonn 3, Rome 2, Kiel and Oslo once (so: unknown)
    assert prepared.ids[:, 0].tolist() == [4, 5, 4, NULL]
    assert prepared.ids[:, 1].tolist() == [4, 5, NULL, UNKNOWN]
    assert prepared.ids[:, 2].tolist() == [5, 4, UNKNOWN, 4]
    assert prepared.ids[:, 4].tolist() == [4, NULL, 5, 5]
    assert prepared.numbers.shape == (4, 6)
    # ages 20, 40, 40: shares below the middles are 1/6 and 4/6
    np.testing.assert_allclose(
        prepared.numbers[:, 0], [-0.967422, 0, 0.430727, 0.430727], rtol=1e-5
    )
    assert prepared.numbers[:, 1].tolist() == [0, 0, 1, 1]
    assert prepared.numbers[:, 2].tolist() == [0, 1, 0, 0]
    history = prepared.lists["history"]
    # the last three of the first row and all of the second were counted: 2 twice, 3 and 4 once
    assert history.values.tolist() == [4, 5, 6, 4]
    assert history.offsets.tolist() == [0, 3, 4, 4, 4]
    tags = prepared.lists["tags"]
    assert tags.values.tolist() == [4, UNKNOWN, 4]
    assert tags.weights is not None
    assert tags.weights.tolist() == [0.5, 1.0, 2.0]
    assert prepared.vectors["image"].tolist() == [[1, 2], [3, 4], [0, 0], [5, 6]]


def test_unseen_null_and_cut_values_are_counted_by_feature() -> None:
    counts = Preprocessor(SCHEMA).fit(FRAME).transform(FRAME).counts
    assert counts.unseen == {"city": 1, "home": 1, "tags": 1}
    assert counts.cut == {"history": 1}
    assert counts.nulls == {
        "user_id": 1,
        "city": 1,
        "device": 1,
        "age": 1,
        "price": 1,
        "history": 1,
        "tags": 1,
        "image": 1,
    }


def test_counts_of_chunks_add_up() -> None:
    preprocessor = Preprocessor(SCHEMA).fit(FRAME)
    parts = [preprocessor.transform(chunk).counts for chunk in FRAME.iter_slices(1)]
    total = Counts()
    for part in parts:
        total = total.plus(part)
    assert total == preprocessor.transform(FRAME).counts


def test_the_layout_names_tables_columns_and_sizes() -> None:
    layout = Preprocessor(SCHEMA).fit(FRAME).layout
    assert layout.tables == (
        Table("user_id", 6, 16, is_key=True),
        Table("city", 6, 8),
        Table("device", 54, 4),
        Table("age.bin", 10, 8),
        Table("history", 7, 8),
        Table("tags", 5, 8),
    )
    assert [column.name for column in layout.ids] == [
        *("user_id", "city", "home", "device", "age.bin")
    ]
    assert layout.ids[2] == Column("home", "city", "home")
    assert layout.ids[4] == Column("age.bin", "age.bin", "age")
    assert layout.numbers == (Number("age", 1), Number("price", 2))
    assert [column.name for column in layout.lists] == ["history", "tags"]
    assert layout.sequences == ("history",)
    assert layout.vectors == {"image": 2}
    assert layout.keys == ("user", "request")


def test_arrays_have_the_types_and_the_order_in_memory_that_the_store_needs() -> None:
    prepared = Preprocessor(SCHEMA).fit(FRAME).transform(FRAME)
    assert prepared.ids.dtype == np.int32
    assert prepared.numbers.dtype == np.float32
    assert prepared.ids.flags.c_contiguous
    assert prepared.numbers.flags.c_contiguous
    assert prepared.lists["history"].offsets.dtype == np.int64


def test_no_rows_can_be_transformed() -> None:
    prepared = Preprocessor(SCHEMA).fit(FRAME).transform(FRAME.clear())
    assert len(prepared) == 0
    assert prepared.lists["tags"].offsets.tolist() == [0]


VALUES = st.sampled_from([None, "a", "b", "c", "d"])
LOGS = st.lists(
    st.tuples(VALUES, st.none() | st.integers(-3, 40), st.lists(VALUES, max_size=4)),
    min_size=1,
    max_size=25,
)


@settings(max_examples=25, deadline=None)
@given(rows=LOGS, cuts=st.lists(st.integers(0, 25), max_size=3))
def test_chunks_merged_in_any_order_give_the_fit_of_the_whole(
    rows: list[tuple[str | None, int | None, list[str | None]]], cuts: list[int]
) -> None:
    types: dict[str, pl.DataType] = {
        "word": pl.String(),
        "number": pl.Int64(),
        "list": pl.List(pl.String),
    }
    rows = [("a", 1, ["a"]), *rows]
    frame = pl.DataFrame(rows, schema=types, orient="row")
    schema = single(Categorical("word"), Numeric("number"), Sequence("list", shares="word"))
    whole = Preprocessor(schema).fit(frame)
    edges = sorted({0, len(rows), *(min(cut, len(rows)) for cut in cuts)})
    chunks = [frame[start:stop] for start, stop in pairwise(edges)]
    merged = Preprocessor(schema)
    for chunk in reversed(chunks):
        merged.merge(Preprocessor(schema).partial_fit(chunk))
    assert merged.finish().layout == whole.layout
    assert_same(merged.transform(frame), whole.transform(frame))


@pytest.mark.parametrize("chunk_rows", [1, 3, 100])
def test_a_lazy_frame_is_fitted_like_a_frame(tmp_path: Path, chunk_rows: int) -> None:
    FRAME.write_parquet(tmp_path / "log.parquet")
    lazy = pl.scan_parquet(tmp_path / "log.parquet")
    fitted = Preprocessor(SCHEMA).fit(lazy, chunk_rows=chunk_rows)
    assert_same(fitted.transform(FRAME), Preprocessor(SCHEMA).fit(FRAME).transform(FRAME))


def test_a_lazy_frame_without_a_column_is_refused_before_it_is_read() -> None:
    with pytest.raises(UnknownNameError, match="no column 'user_id' in the data"):
        Preprocessor(SCHEMA).fit(FRAME.lazy().drop("user_id"))


def test_case_13_and_14_new_values_are_unknown_and_no_error() -> None:
    preprocessor = Preprocessor(SCHEMA).fit(FRAME)
    new = FRAME.with_columns(user_id=pl.lit(10**15), city=pl.lit("Atlantis"))
    ids = preprocessor.transform(new).ids
    assert (ids[:, :2] == UNKNOWN).all()


def test_case_15_a_fresh_process_prepares_the_same_from_what_was_saved(tmp_path: Path) -> None:
    preprocessor = Preprocessor(SCHEMA).fit(FRAME)
    preprocessor.save(tmp_path / "saved")
    FRAME.write_ipc(tmp_path / "log.arrow")
    program = (
        "import sys, numpy as np, polars as pl\n"
        "from plait.data.preprocessing import Preprocessor\n"
        "folder = sys.argv[1]\n"
        "prepared = Preprocessor.load(folder + '/saved').transform(\n"
        "    pl.read_ipc(folder + '/log.arrow'))\n"
        "np.savez(folder + '/out.npz', ids=prepared.ids, numbers=prepared.numbers,\n"
        "    history=prepared.lists['history'].values)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
    own = preprocessor.transform(FRAME)
    with np.load(tmp_path / "out.npz") as found:
        np.testing.assert_array_equal(found["ids"], own.ids)
        np.testing.assert_array_equal(found["numbers"].view(np.int32), own.numbers.view(np.int32))
        np.testing.assert_array_equal(found["history"], own.lists["history"].values)


def test_what_was_loaded_is_what_was_saved_and_can_be_extended(tmp_path: Path) -> None:
    preprocessor = Preprocessor(SCHEMA).fit(FRAME)
    preprocessor.save(tmp_path)
    loaded = Preprocessor.load(tmp_path)
    assert loaded.layout == preprocessor.layout
    assert_same(loaded.transform(FRAME), preprocessor.transform(FRAME))
    assert loaded.extend(FRAME.with_columns(city=pl.lit("Paris")))["city"] == 1


def test_a_preprocessor_can_be_pickled_before_and_after_it_is_finished() -> None:
    half = pickle.loads(pickle.dumps(Preprocessor(SCHEMA).partial_fit(FRAME)))
    whole = pickle.loads(pickle.dumps(half.finish()))
    assert_same(whole.transform(FRAME), Preprocessor(SCHEMA).fit(FRAME).transform(FRAME))


def test_case_21_rare_values_share_the_unknown_row_but_keys_do_not() -> None:
    frame = pl.DataFrame({"user": ["u", "v"], "city": ["Bonn", "Rome"], "land": ["D", "D"]})
    schema = Schema((Categorical("user"), Categorical("city"), Categorical("land")), user="user")
    ids = Preprocessor(schema).fit(frame).transform(frame).ids
    assert ids.tolist() == [[4, UNKNOWN, 4], [5, UNKNOWN, 4]]


def test_case_10_memory_grows_with_distinct_values_not_with_rows() -> None:
    preprocessor = Preprocessor(single(Categorical("city"), Numeric("age")))
    chunk = pl.DataFrame({"city": ["Bonn", "Rome"] * 500, "age": range(1000)})
    sizes = []
    for _ in range(30):
        preprocessor.partial_fit(chunk)
        sizes.append(len(pickle.dumps(preprocessor)))
    assert sizes[-1] < 2 * sizes[0]


def test_case_26_three_sequences_of_different_length_and_a_tag_list() -> None:
    frame = pl.DataFrame(
        {
            "viewed": [[1, 2, 3], [1]],
            "bought": [[], [7]],
            "searched": [["a"], ["a", "b", "a", "b", "a"]],
            "tags": [["x", "y"], None],
        }
    )
    schema = single(
        Sequence("viewed", max_length=2, min_count=1),
        Sequence("bought", min_count=1),
        Sequence("searched", max_length=4),
        MultiHot("tags", min_count=1),
    )
    lists = Preprocessor(schema).fit(frame).transform(frame).lists
    lengths = {name: np.diff(ragged.offsets).tolist() for name, ragged in lists.items()}
    assert lengths == {"viewed": [2, 1], "bought": [0, 1], "searched": [1, 4], "tags": [2, 0]}


def test_case_29_ragged_values_carry_no_padding() -> None:
    frame = pl.DataFrame({"history": [[3], [3, 3, 3, 3]]})
    ragged = Preprocessor(single(Sequence("history"))).fit(frame).transform(frame).lists["history"]
    assert len(ragged.values) == ragged.offsets[-1] == 5
    assert 0 not in ragged.values


@pytest.mark.parametrize("kind", [Sequence, MultiHot])
def test_case_30_delimited_text_equals_a_list_of_integers(
    kind: type[Sequence | MultiHot],
) -> None:
    lists = pl.DataFrame({"items": [[1, 2, 3], [], None, [3, None]]})
    texts = pl.DataFrame({"items": ["1;2;3", "", None, "3;"]})
    preprocessor = Preprocessor(single(kind("items", delimiter=";", min_count=1))).fit(lists)
    assert_same(preprocessor.transform(texts), preprocessor.transform(lists))
    other = Preprocessor(single(kind("items", delimiter=";", min_count=1))).fit(texts)
    assert_same(other.transform(texts), preprocessor.transform(texts))


def test_case_31_a_sequence_of_only_unknown_ids_works() -> None:
    preprocessor = Preprocessor(single(Sequence("history", min_count=1)))
    preprocessor.fit(pl.DataFrame({"history": [[1, 2]]}))
    ragged = preprocessor.transform(pl.DataFrame({"history": [[8, 9], [7]]})).lists["history"]
    assert ragged.values.tolist() == [UNKNOWN] * 3


def test_case_33_a_multi_hot_with_weights_may_be_empty() -> None:
    frame = pl.DataFrame({"tags": [["a"], [], None], "w": [[0.5], [], None]})
    schema = single(MultiHot("tags", weights="w", min_count=1))
    ragged = Preprocessor(schema).fit(frame).transform(frame).lists["tags"]
    assert ragged.offsets.tolist() == [0, 1, 1, 1]
    assert ragged.weights is not None
    assert ragged.weights.tolist() == [0.5]


def test_case_106_an_integer_column_may_be_served_as_text_float_or_category() -> None:
    frame = pl.DataFrame({"id": [2**53 + 1, 7, 7], "n": [1, 2, 3]})
    preprocessor = Preprocessor(Schema((Categorical("id"), Numeric("n")), user="id")).fit(frame)
    expected = preprocessor.transform(frame)
    for dtype in (pl.String, pl.UInt64, pl.Int128):
        assert_same(preprocessor.transform(frame.cast({"id": dtype})), expected)
    small = frame.filter(pl.col("id") < 2**53)
    as_floats = preprocessor.transform(small.cast({"id": pl.Float64, "n": pl.String}))
    assert_same(as_floats, preprocessor.transform(small))


def test_extending_keeps_old_ids_and_appends_new_values() -> None:
    preprocessor = Preprocessor(SCHEMA).fit(FRAME)
    before = preprocessor.transform(FRAME)
    later = FRAME.with_columns(
        user_id=pl.Series(["x", "11", "x", "y"]), city=pl.lit("Kiel"), home=pl.lit("Bonn")
    )
    added = preprocessor.extend(later)
    assert added == {"user_id": 2, "city": 1, "history": 0, "tags": 0}
    known = before.ids != UNKNOWN
    np.testing.assert_array_equal(preprocessor.transform(FRAME).ids[known], before.ids[known])
    assert preprocessor.transform(later).ids[:, 0].tolist() == [6, 4, 6, 7]
    assert preprocessor.layout.table("user_id").num_rows == 8
    assert preprocessor.extend(later) == dict.fromkeys(added, 0)


def test_extending_asks_for_the_minimum_count_in_the_new_rows() -> None:
    preprocessor = Preprocessor(single(Categorical("city"))).fit(pl.DataFrame({"city": ["a", "a"]}))
    assert preprocessor.extend(pl.DataFrame({"city": ["b", "c", "c"]})) == {"city": 1}


def test_features_without_a_value_in_training_are_named() -> None:
    frame = pl.DataFrame({"city": ["a"], "age": [None], "tags": [[]], "image": [None]})
    schema = single(Categorical("city"), Numeric("age"), MultiHot("tags"), Vector("image", size=2))
    with pytest.raises(SchemaError, match=r"3 features have no value .* age, tags, image"):
        Preprocessor(schema).fit(frame)


def test_no_training_rows_are_refused() -> None:
    with pytest.raises(DataError, match="no training rows"):
        Preprocessor(single(Categorical("city"))).fit(pl.DataFrame({"city": []}))


def test_a_feature_that_is_called_like_bins_is_refused() -> None:
    with pytest.raises(SchemaError, match=r"'age\.bin' is called like the bins"):
        Preprocessor(single(Numeric("age"), Categorical("age.bin")))


def test_infinite_numbers_are_refused_in_fit_and_in_transform() -> None:
    bad = pl.DataFrame({"age": [1.0, float("inf")]})
    with pytest.raises(ColumnError, match="1 of 2 rows are infinite"):
        Preprocessor(single(Numeric("age"))).fit(bad)
    fitted = Preprocessor(single(Numeric("age"))).fit(pl.DataFrame({"age": [1.0]}))
    with pytest.raises(ColumnError, match="1 of 2 rows are infinite"):
        fitted.transform(bad)


def test_a_list_column_that_is_declared_categorical_is_refused() -> None:
    with pytest.raises(ColumnError, match="Declare lists as Sequence or MultiHot"):
        Preprocessor(single(Categorical("tags"))).fit(pl.DataFrame({"tags": [["a"]]}))


@pytest.mark.parametrize(
    "action",
    [
        lambda fitted: fitted.partial_fit(FRAME),
        lambda fitted: fitted.finish(),
        lambda fitted: fitted.merge(Preprocessor(SCHEMA)),
        lambda fitted: Preprocessor(SCHEMA).merge(fitted),
    ],
)
def test_a_finished_preprocessor_counts_no_more(action: Callable[[Preprocessor], object]) -> None:
    with pytest.raises(DataError, match="came after `finish`"):
        action(Preprocessor(SCHEMA).fit(FRAME))


@pytest.mark.parametrize(
    "action",
    [
        lambda half: half.transform(FRAME),
        lambda half: half.layout,
        lambda half: half.extend(FRAME),
        lambda half: half.save("nowhere"),
    ],
)
def test_an_unfinished_preprocessor_transforms_nothing(
    action: Callable[[Preprocessor], object],
) -> None:
    with pytest.raises(DataError, match="needs a finished Preprocessor"):
        action(Preprocessor(SCHEMA).partial_fit(FRAME))


def test_two_schemas_cannot_be_merged() -> None:
    with pytest.raises(SchemaError, match="of one schema"):
        Preprocessor(SCHEMA).merge(Preprocessor(single(Categorical("city"))))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    Preprocessor(SCHEMA).fit(FRAME).save(tmp_path)
    return tmp_path


def test_a_missing_file_is_named(saved: Path) -> None:
    (saved / "preprocessor.json").unlink()
    with pytest.raises(ArtifactError, match=r"preprocessor\.json: there is no such file"):
        Preprocessor.load(saved)


@pytest.mark.parametrize("text", ["", "{", "\xff"])
def test_a_broken_file_is_named(saved: Path, text: str) -> None:
    (saved / "preprocessor.json").write_text(text, encoding="latin-1")
    with pytest.raises(ArtifactError, match=r"preprocessor\.json: it is no JSON"):
        Preprocessor.load(saved)


@pytest.mark.parametrize("form", ['{"version": 2}', "[]"])
def test_another_version_is_told_apart(saved: Path, form: str) -> None:
    (saved / "preprocessor.json").write_text(form, encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"of version .* reads version 1.*Install the plait"):
        Preprocessor.load(saved)


@pytest.mark.parametrize("part", ["schema", "tables", "scales"])
def test_a_file_that_lacks_a_part_is_told_apart(saved: Path, part: str) -> None:
    form = json.loads((saved / "preprocessor.json").read_text(encoding="utf-8"))
    form[part] = None
    (saved / "preprocessor.json").write_text(json.dumps(form), encoding="utf-8")
    with pytest.raises(ArtifactError, match="lacks what it should hold"):
        Preprocessor.load(saved)


def test_a_broken_vocabulary_is_named(saved: Path) -> None:
    (saved / "vocabulary-000.arrow").write_bytes(b"ARROW1 but no more")
    with pytest.raises(ArtifactError, match=r"vocabulary-000\.arrow: it cannot be read"):
        Preprocessor.load(saved)


def test_a_missing_vocabulary_is_named(saved: Path) -> None:
    (saved / "vocabulary-000.arrow").unlink()
    with pytest.raises(ArtifactError, match=r"vocabulary-000\.arrow: it cannot be read"):
        Preprocessor.load(saved)


def test_a_vocabulary_of_another_length_is_told_apart(saved: Path) -> None:
    pl.DataFrame({"value": [1]}).write_ipc(saved / "vocabulary-000.arrow")
    with pytest.raises(ArtifactError, match="holds 1 values instead of 2"):
        Preprocessor.load(saved)
