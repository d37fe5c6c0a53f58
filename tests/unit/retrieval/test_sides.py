"""Which features belong to whom, which settings are refused, and what is kept of a history."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.retrieval.making import SCHEMA, TASKS, tables

from plait import Binary, Categorical, History, Regression, Retrieval, Schema, Sequence
from plait.errors import ConfigurationError, PlaitError, SchemaError, TaskError, UnknownNameError
from plait.retrieval import history_of_users, only_sides, sides_of
from plait.tasks import Task


def by_name(*tasks: Task) -> dict[str, Task]:
    return {task.name: task for task in tasks}


def test_side_tables_say_whose_a_feature_is() -> None:
    found = sides_of(SCHEMA, tables(), Retrieval())
    assert found.user == ("user", "age")
    assert found.item == ("item", "genres")
    assert found.left_out == ("hour",)
    kept = only_sides(replace(SCHEMA, request="hour"), found)
    assert kept.names == ("user", "item", "age", "genres")
    assert kept.roles == {"user": "user", "item": "item", "time": "time"}


def test_features_can_be_named_where_the_log_holds_them() -> None:
    found = sides_of(SCHEMA, (), Retrieval(user_features=("user", "age"), item_features=("item",)))
    assert found == (("user", "age"), ("item",), ("genres", "hour"))


@pytest.mark.parametrize(
    ("schema", "settings", "problem"),
    [
        (replace(SCHEMA, user=None), {}, "the schema has no `user`"),
        (replace(SCHEMA, item=None), {}, "the schema has no `item`"),
        (Schema((Categorical("item"),), user="user", item="item"), {}, "No feature tells of the u"),
        (SCHEMA, {"item_features": ("user", "item")}, "user: read by both towers"),
        (SCHEMA, {"user_features": ("agee",)}, "no feature 'agee' in `user_features`. Did you me"),
    ],
)
def test_what_is_missing_is_said(
    schema: Schema, settings: dict[str, tuple[str, ...]], problem: str
) -> None:
    with pytest.raises((SchemaError, UnknownNameError), match=problem.replace("`", ".")):
        sides_of(schema, (), Retrieval(**settings))  # type: ignore[arg-type]  # one of several


def test_a_table_that_goes_with_its_feature_is_said() -> None:
    schema = Schema(
        (Categorical("user"), Categorical("item"), Sequence("past", shares="item")),
        user="user",
        item="item",
    )
    sides = sides_of(schema, (), Retrieval(user_features=("user", "past"), item_features=("item",)))
    assert only_sides(schema, sides).names == ("user", "item", "past")


def test_of_a_history_only_what_is_known_of_a_user_is_kept() -> None:
    given = History(features=("count", "recency", "expected"), sequence_length=7, strength_user=3)
    kept = history_of_users(given)
    assert kept == History(
        by=("user",), features=("count",), cross=(), sequence_length=7, strength_user=3
    )
    usual = history_of_users(history=True)
    assert usual is not None
    assert (usual.features, usual.sequence_length) == ((), 50)
    assert history_of_users(history=False) is None


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"width": 0}, "`width` must be at least 1, got 0"),
        ({"k": 0}, "`k` must be at least 1"),
        ({"layers": (4, 0)}, "`layers` must be positive"),
        ({"dropout": 1.0}, r"`dropout` must lie in \[0, 1\), got 1.0"),
        ({"unknown_rate": -0.1}, r"`unknown_rate` must lie in"),
        ({"similarity": "l2"}, "`similarity` is 'dot' or 'cosine', got 'l2'"),
        ({"temperature": 0.0}, "`temperature` must be positive"),
        ({"positives": {"like": 0.0}}, "`positives` must hold positive weights"),
        ({"positives": {}}, "`positives` names no task"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, object], problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        Retrieval(**settings)  # type: ignore[arg-type]  # wrong on purpose


def test_positives_come_from_binary_tasks() -> None:
    tasks = by_name(*TASKS)
    assert Retrieval().weights_of(tasks) == {"like": 1.0, "buy": 1.0}
    assert Retrieval(positives={"buy": 2.5}).weights_of(tasks) == {"buy": 2.5}
    for positives, kind, problem in (
        ({"lik": 1.0}, UnknownNameError, "no task 'lik' in `positives`. Did you mean 'like'"),
        ({"stars": 1.0}, TaskError, "names 'stars', whose labels are not yes or no"),
    ):
        with pytest.raises(PlaitError, match=problem) as raised:
            Retrieval(positives=positives).weights_of(tasks)
        assert raised.type is kind
    with pytest.raises(TaskError, match="no task is binary"):
        Retrieval().weights_of(by_name(Regression("stars")))
    assert Retrieval().weights_of(by_name(Binary("a"))) == {"a": 1.0}
