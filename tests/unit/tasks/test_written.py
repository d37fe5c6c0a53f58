"""Tasks as JSON, and back."""

from __future__ import annotations

import json

import pytest

from plait.errors import UnknownNameError
from plait.tasks import (
    TASK_KINDS,
    Binary,
    Count,
    Multiclass,
    Ranking,
    Regression,
    Task,
    Value,
    WatchTime,
    task_from_json,
    task_to_json,
)

EVERY: tuple[Task, ...] = (
    Binary(
        "like",
        label="rating >= 4",
        space="click == 1",
        serves="True",
        observed="seen",
        weight="w",
        role="auxiliary",
        parents=("click", "view"),
        normaliser="batch",
        include=("age", "city"),
        tower=(8, 4),
        learning_rate_multiplier=0.5,
        positive_weight=2.0,
        focal_gamma=1.0,
    ),
    Binary("ctr", trials="shown", hide=("age",)),
    Binary("sent", propensity="lot"),
    Multiclass("answer", classes=("a", "b"), class_weights=(1.0, 2.0)),
    Multiclass("grade", classes=(1, 2, 3)),
    Regression("rating", transform="log1p", clip_quantile=0.99, loss="huber"),
    Count("visits", exposure="days"),
    Value("spend"),
    WatchTime("seconds", duration="length", form="d2q", num_bins=7),
    Ranking("order", form="bpr"),
)


@pytest.mark.parametrize("task", EVERY, ids=lambda task: task.name)
def test_the_json_form_gives_the_task_back(task: Task) -> None:
    again = task_from_json(json.loads(json.dumps(task_to_json(task))))
    assert again == task
    assert type(again) is type(task)


def test_every_kind_is_covered_here() -> None:
    assert {type(task) for task in EVERY} == set(TASK_KINDS)
    assert len({kind.kind for kind in TASK_KINDS}) == len(TASK_KINDS)


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(UnknownNameError, match=r"kind of task 'binry'\. Did you mean 'binary'"):
        task_from_json({"kind": "binry", "name": "x"})
