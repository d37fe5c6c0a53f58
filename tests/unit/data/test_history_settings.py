"""What a history may be told, and what it says where that does not fit."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.data.history_making import SCHEMA, TASKS

from plait.data.history import History
from plait.data.log import Log
from plait.data.schema import Categorical, Numeric, Schema
from plait.errors import PlaitError
from plait.tasks import Binary, Multiclass

NO_ROLES = Schema((Categorical("user"), Numeric("age")))


def problem(*, schema: Schema = SCHEMA, **settings: Any) -> str:  # noqa: ANN401 (also wrong ones)
    with pytest.raises(PlaitError) as caught:
        History(**settings).check(schema, (*TASKS, Multiclass("genre")))
    return str(caught.value)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"by": ("usr",)}, "`by` takes user, item, pair, got 'usr'"),
        ({"features": ("mean",)}, "`features` takes count, recency, rate"),
        ({"sequence_length": -1}, "`sequence_length` must not be negative, got -1"),
        ({"strength_item": 0.0}, "must be positive, got 5.0 and 0.0"),
        ({"folds": 1}, "`folds` must lie between 2 and 100, got 1"),
        ({"tasks": ("clik",)}, "There is no task 'clik' in `history.tasks`. Did you mean 'click'?"),
        ({"tasks": ("genre",)}, "`history.tasks` names 'genre', which has several classes"),
        ({"by": ()}, "makes no feature of this schema: `by` is ()"),
        ({"features": ()}, "or for a `sequence_length` where there are user and item"),
        ({"cross": ("tag",)}, "There is no feature 'tag'. Did you mean 'tags'?"),
    ],
)
def test_a_wrong_setting_names_itself(settings: dict[str, Any], said: str) -> None:
    assert said in problem(**settings)


def test_all_problems_come_in_one_message() -> None:
    said = problem(folds=0, sequence_length=-5)
    assert "`folds`" in said
    assert "`sequence_length`" in said


def test_what_the_schema_lacks_is_named() -> None:
    assert "the schema has no `user` and no `item`" in problem(schema=NO_ROLES)
    no_time = Schema((Categorical("user"),), user="user")
    assert "`history.ordered` needs the schema's `time`" in problem(schema=no_time, ordered=True)
    no_user = Schema((Categorical("item"), Categorical("kind")), item="item")
    assert "the schema has no `user` whose past" in problem(schema=no_user, cross=("kind",))
    numeric = Schema((Numeric("age"),), user="user")
    assert "names 'age', a numeric feature" in problem(schema=numeric, cross=("age",))


def test_a_log_is_refused_before_it_is_read() -> None:
    with pytest.raises(PlaitError, match="A history needs to know whose it is"):
        Log(("nowhere.parquet",), NO_ROLES, (Binary("click"),), history=History())


def test_multiclass_tasks_are_left_out_unless_named() -> None:
    remembered = History().remembered((*TASKS, Multiclass("genre")))
    assert [task.name for task in remembered] == ["click", "like", "stars"]
