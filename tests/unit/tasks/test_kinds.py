"""Task records: what each kind takes, refuses, and writes as JSON."""

from __future__ import annotations

import pytest

from plait.errors import TaskError
from plait.tasks import (
    Binary,
    Count,
    Multiclass,
    Ranking,
    Regression,
    Task,
    Value,
    WatchTime,
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


def test_the_label_is_the_name_where_it_is_left_out() -> None:
    assert Binary("click").label_expression == "click"
    assert Binary("like", label="rating > 3").label_expression == "rating > 3"


def test_extra_columns_are_those_that_the_head_reads() -> None:
    assert [task.extras() for task in EVERY] == [
        {},
        {"trials": "shown"},
        {"propensity": "lot"},
        {},
        {},
        {},
        {"exposure": "days"},
        {},
        {"duration": "length"},
        {},
    ]
    assert Count("visits").extras() == {}


@pytest.mark.parametrize(
    ("kind", "settings", "words"),
    [
        (Binary, {"name": "a b"}, "`name` must be letters, digits and underscores"),
        (Binary, {"name": "1a"}, "`name` must be letters, digits and underscores"),
        (Binary, {"role": "main"}, "`role` is 'target' or 'auxiliary', got 'main'"),
        (Binary, {"normaliser": "mean"}, "`normaliser` is 'auto', 'observed', 'expected' or 'bat"),
        (Binary, {"parents": ("x",)}, "`parents` holds the task itself"),
        (Binary, {"min_positives": -1}, "`min_positives` must not be negative, got -1"),
        (Binary, {"learning_rate_multiplier": 0.0}, "`learning_rate_multiplier` must be positive"),
        (Binary, {"include": ("a",), "hide": ("a",)}, "both included and hidden: ['a']"),
        (Binary, {"tower": (8, 0)}, "`tower` widths must be positive, got (8, 0)"),
        (Binary, {"positive_weight": 0.0}, "`positive_weight` must be positive, got 0.0"),
        (Binary, {"focal_gamma": -1.0}, "`focal_gamma` must be at least 0, got -1.0"),
        (
            Binary,
            {"trials": "n", "propensity": "p"},
            "`propensity` is the chance of one event, `tr",
        ),
        (Multiclass, {"classes": ("a", "a")}, "`classes` needs two or more different values"),
        (Multiclass, {"classes": ("a",)}, "`classes` needs two or more different values"),
        (Multiclass, {"class_weights": (1.0,)}, "`class_weights` needs `classes`"),
        (
            Multiclass,
            {"classes": ("a", "b"), "class_weights": (1.0,)},
            "1 class weights for 2 classes",
        ),
        (
            Multiclass,
            {"classes": ("a", "b"), "class_weights": (1.0, 0.0)},
            "`class_weights` must be positive",
        ),
        (Regression, {"transform": "log"}, "`transform` is 'none' or 'log1p', got 'log'"),
        (Regression, {"loss": "l1"}, "`loss` is 'squared', 'huber' or 'absolute', got 'l1'"),
        (Regression, {"clip_quantile": 1.0}, "`clip_quantile` must lie between 0 and 1, got 1.0"),
        (WatchTime, {}, "`duration` is missing: an expression for the length of the video"),
        (WatchTime, {"duration": "d", "form": "x"}, "`form` is 'cread', 'd2q' or 'wlr', got 'x'"),
        (WatchTime, {"duration": "d", "num_bins": 1}, "`num_bins` must be at least 2, got 1"),
        (Ranking, {"form": "x"}, "`form` is 'bpr' or 'listwise', got 'x'"),
    ],
)
def test_settings_out_of_range_are_named(
    kind: type[Task], settings: dict[str, object], words: str
) -> None:
    with pytest.raises(TaskError, match=r"^Task '") as caught:
        kind(**{"name": "x", **settings})  # type: ignore[arg-type]
    assert words in str(caught.value)


def test_one_message_lists_every_problem() -> None:
    with pytest.raises(TaskError) as caught:
        Binary("a b", min_positives=-1, tower=(0,))
    assert str(caught.value).count(";") == 2
