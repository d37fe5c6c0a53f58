"""What a row is: features, roles, tables, and the JSON form."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from plait.data.schema import (
    FEATURE_KINDS,
    Categorical,
    MultiHot,
    Numeric,
    Schema,
    Sequence,
    Vector,
)
from plait.errors import SchemaError, UnknownNameError

EVERY = Schema(
    (
        Categorical("user", column="user_id", embedding_dim=16),
        Categorical("item_id", min_count=3),
        Categorical("city", hash_buckets=100),
        Numeric("age", num_pieces=4, num_bins=0),
        Sequence("history", shares="item_id", max_length=7, delimiter=";"),
        MultiHot("genres", weights="genre_weights"),
        Vector("text", size=8),
        Numeric("watched", known="after"),
    ),
    user="user_id",
    item="item_id",
    time="at",
    request="request_id",
    scenario="tab",
    position="rank",
)


def test_the_json_form_gives_the_schema_back() -> None:
    form = json.loads(json.dumps(EVERY.to_json()))
    assert form["version"] == 1
    assert Schema.from_json(form) == EVERY
    assert {type(feature) for feature in EVERY.features} == set(FEATURE_KINDS)


@pytest.mark.parametrize("version", [2, None, "1"])
def test_another_version_is_refused(version: object) -> None:
    form = {**EVERY.to_json(), "version": version}
    with pytest.raises(SchemaError, match=rf"of version {version!r}; this plait reads version 1"):
        Schema.from_json(form)


def test_an_unknown_kind_of_feature_is_refused() -> None:
    form = EVERY.to_json()
    form["features"][0]["kind"] = "picture"
    with pytest.raises(SchemaError, match="'picture' is no kind of feature"):
        Schema.from_json(form)


def test_roles_and_columns_are_listed_once_in_order() -> None:
    assert EVERY.roles == {
        "user": "user_id",
        "item": "item_id",
        "time": "at",
        "request": "request_id",
        "scenario": "tab",
        "position": "rank",
    }
    assert EVERY.columns() == (
        "user_id",
        "item_id",
        "city",
        "age",
        "history",
        "genres",
        "genre_weights",
        "text",
        "watched",
        "at",
        "request_id",
        "tab",
        "rank",
    )
    assert Schema((Numeric("age"),)).roles == {}


def test_keys_are_the_features_read_from_the_users_or_items_column() -> None:
    keys = {name for name in EVERY.names if EVERY.is_key(name)}
    assert keys == {"user", "item_id", "history"}  # the history shares the items' table
    assert not Schema((Numeric("user_id"),), user="user_id").is_key("user_id")
    assert not Schema((Categorical("city"),)).is_key("city")


def test_a_feature_is_found_by_name() -> None:
    assert EVERY.feature("age") == Numeric("age", num_pieces=4, num_bins=0)
    with pytest.raises(UnknownNameError, match=r"no feature 'agee'\. Did you mean 'age'"):
        EVERY.feature("agee")
    with pytest.raises(UnknownNameError):
        EVERY.is_key("agee")


def test_a_list_of_features_is_kept_as_a_tuple() -> None:
    assert Schema([Numeric("age")]).features == (Numeric("age"),)  # type: ignore[arg-type]


def test_a_schema_needs_features_of_different_names() -> None:
    with pytest.raises(SchemaError, match="The schema has no feature"):
        Schema(())
    with pytest.raises(SchemaError, match="Two features share a name: age"):
        Schema((Numeric("age"), Categorical("age")))


def test_a_shared_table_must_be_one_that_a_feature_owns() -> None:
    with pytest.raises(UnknownNameError, match="no feature 'itm' in `shares` of 'history'"):
        Schema((Categorical("item"), Sequence("history", shares="itm")))
    with pytest.raises(SchemaError, match=r"'history': `shares` must .*; 'age' has none"):
        Schema((Numeric("age"), Sequence("history", shares="age")))
    with pytest.raises(SchemaError, match=r"'a': `shares` must name .*; 'b' has none"):
        Schema((Categorical("a", shares="b"), Categorical("b", shares="a")))
    with pytest.raises(SchemaError, match="'a' has none"):
        Schema((Categorical("a", shares="a"),))


@pytest.mark.parametrize("module", ["plait", "plait.tasks", "plait.data.schema", "plait.settings"])
def test_pure_data_is_imported_without_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
