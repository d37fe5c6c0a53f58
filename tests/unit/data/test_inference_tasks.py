"""Candidate tasks: kinds, labels, spaces, parents."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from plait.data.inference import Draft, draft
from plait.data.inference.feedback import written
from plait.data.inference.funnel import is_no_chance
from plait.tasks import Binary, Count, Multiclass, Regression, Task, Value, WatchTime

ROWS = 3_000
RNG = np.random.default_rng(7)
X = RNG.normal(size=ROWS)
CLICK = (RNG.random(ROWS) < 0.3).astype(int)
BUY = CLICK * (RNG.random(ROWS) < 0.3)
RATING = RNG.integers(1, 6, size=ROWS)


def _draft(labels: tuple[str, ...] = (), **columns: object) -> Draft:
    return draft(pl.DataFrame({"x": X, **columns}), labels=labels)


def _tasks(labels: tuple[str, ...] = (), **columns: object) -> list[Task]:
    return [guess.task for guess in _draft(labels, **columns).tasks]


@pytest.mark.parametrize("name", ["click", "is_click", "label_click", "Clicked", "target", "y"])
def test_yes_and_no_by_name_is_binary(name: str) -> None:
    (task,) = _tasks(**{name: CLICK})
    assert type(task) is Binary
    assert task.label_expression == name


def test_prefixes_are_no_part_of_a_tasks_name() -> None:
    names = [task.name for task in _tasks(is_click=CLICK, label_buy=BUY, click=1 - CLICK)]
    assert names == ["click", "buy", "click_2"]


@pytest.mark.parametrize(
    ("values", "label"),
    [
        (np.where(CLICK > 0, "yes", "no"), 'click == "yes"'),
        (CLICK.astype(bool), "click"),
        (np.where(CLICK > 0, 1.0, 0.0), "click"),
        (np.where(CLICK > 0, 1, -1), "click == 1"),
        (pl.Series(np.where(CLICK > 0, 1.0, np.nan)).fill_nan(None), "is_not_null(click)"),
    ],
)
def test_yes_and_no_are_read_however_they_are_written(values: object, label: str) -> None:
    (guess,) = _draft(click=values).tasks
    assert guess.task.label_expression == label
    assert guess.positives == CLICK.sum()
    assert guess.observed == ROWS


def test_a_sentinel_is_not_observed() -> None:
    like = np.where(CLICK > 0, BUY, -1)
    (guess,) = _draft(like=like).tasks
    assert guess.task.observed == "like != -1"
    assert guess.observed == CLICK.sum()
    assert guess.positives == BUY.sum()


@pytest.mark.parametrize(
    "name", ["num_clicks", "click_rate_7d", "last_click", "ctr", "clicks_before"]
)
def test_a_summary_of_the_past_is_no_label(name: str) -> None:
    made = _draft(**{name: CLICK, "buy": BUY})
    assert [guess.task.name for guess in made.tasks] == ["buy"]


def test_a_child_is_never_1_where_its_parent_is_0() -> None:
    view = np.maximum(CLICK, RNG.random(ROWS) < 0.3).astype(int)
    tasks = {t.name: t for t in _tasks(view=view, click=CLICK, buy=BUY, share=1 - CLICK)}
    assert tasks["click"].parents == ("view",)
    assert tasks["buy"].parents == ("click",)
    assert tasks["view"].parents == ()
    assert tasks["share"].parents == ()


def test_one_row_breaks_a_funnel() -> None:
    broken = BUY.copy()
    broken[np.flatnonzero(CLICK == 0)[0]] = 1
    assert [task.parents for task in _tasks(click=CLICK, buy=broken)] == [(), ()]


def test_few_children_may_fall_below_a_parent_by_chance() -> None:
    assert is_no_chance(100, 0.8)
    assert not is_no_chance(5, 0.8)
    assert not is_no_chance(100, 1.0)
    few = np.zeros(ROWS, dtype=int)
    few[np.flatnonzero(CLICK)[[3, 500, 800]]] = 1
    assert _tasks(click=CLICK, buy=few)[1].parents == ()


def test_two_labels_that_are_one_make_one_task() -> None:
    made = _draft(click=CLICK, clicked=CLICK)
    assert [guess.task.name for guess in made.tasks] == ["click"]
    (twin,) = [c for c in made.warnings if c.kind == "duplicate"]
    assert twin.columns == ("clicked", "click")


def test_a_rating_gives_itself_and_its_thresholds() -> None:
    rating, good, best = _tasks(rating=RATING)
    assert type(rating) is Regression
    assert (good.label, best.label) == ("rating >= 4", "rating >= 5")
    assert best.parents == (good.name,)


@pytest.mark.parametrize(
    ("marks", "labels"),
    [
        ((1, 2, 3), ["rating >= 3"]),
        ((1, 2, 3, 4), ["rating >= 4"]),
        (tuple(range(1, 8)), ["rating", "rating >= 6", "rating >= 7"]),
        (tuple(range(1, 11)), ["rating", "rating >= 8"]),
        (tuple(range(101)), ["rating"]),
        (tuple(np.arange(0.5, 5.5, 0.5)), ["rating", "rating >= 4", "rating >= 5"]),
    ],
)
def test_thresholds_follow_the_scale(marks: tuple[float, ...], labels: list[str]) -> None:
    tasks = _tasks(rating=np.array(marks)[RNG.integers(len(marks), size=ROWS)])
    assert [task.label_expression for task in tasks] == labels


def test_a_label_that_is_only_there_after_an_event_has_its_space() -> None:
    rating = pl.Series(np.where(CLICK > 0, RATING, np.nan)).fill_nan(None)
    tasks = {task.name: task for task in _tasks(watched=CLICK, rating=rating)}
    assert tasks["rating"].space == "watched == 1"
    assert tasks["rating_at_least_4"].space == "watched == 1"
    assert tasks["watched"].space is None


def test_a_label_that_is_missing_anywhere_has_no_space() -> None:
    rating = pl.Series(np.where(RNG.random(ROWS) < 0.5, RATING, np.nan)).fill_nan(None)
    assert {task.space for task in _tasks(watched=CLICK, rating=rating)} == {None}


def test_a_mean_rating_is_no_rating() -> None:
    made = _draft(avg_rating=RATING / 3.0, community_rating=RNG.normal(size=ROWS), click=CLICK)
    assert [guess.task.name for guess in made.tasks] == ["click"]


def test_mostly_zero_amounts_are_values_below_their_event() -> None:
    spend = BUY * RNG.exponential(30, size=ROWS)
    task = _tasks(click=CLICK, buy=BUY, spend=spend)[-1]
    assert type(task) is Value
    assert task.parents == ("buy",)
    assert task.space is None


def test_amounts_without_zeros_are_logarithms() -> None:
    (task,) = _tasks(revenue=RNG.exponential(30, size=ROWS) + 1)
    assert type(task) is Regression
    assert task.transform == "log1p"


def test_a_time_watched_knows_the_length_in_its_own_unit() -> None:
    length = RNG.uniform(5, 60, size=ROWS)
    watched = CLICK * length * RNG.random(ROWS) * 1_000
    columns = {"click": CLICK, "play_time_ms": watched, "video_duration_s": length}
    task = _tasks(**columns)[-1]
    assert isinstance(task, WatchTime)
    assert task.duration == "video_duration_s * 1000"
    assert task.space == "click == 1"


def test_a_time_without_a_length_is_a_logarithm_and_a_long_one() -> None:
    hours = pl.Series(np.where(CLICK > 0, RNG.exponential(9, size=ROWS), np.nan)).fill_nan(None)
    time, long = _tasks(click=CLICK, hours=hours)[1:]
    assert type(time) is Regression
    assert (time.transform, time.space) == ("log1p", "click == 1")
    assert long.label == "fill_null(hours, 0) >= 10"
    assert long.space is None


def test_the_hour_of_the_day_is_no_time_watched() -> None:
    assert [task.name for task in _tasks(hour=RNG.integers(24, size=ROWS), click=CLICK)] == [
        "click"
    ]


def test_counts_have_their_chances_where_a_column_holds_them() -> None:
    shown = RNG.integers(1, 9, size=ROWS)
    clicks = RNG.binomial(shown, 0.4)
    made = _draft(impressions=shown, clicks=clicks)
    (task,) = [guess.task for guess in made.tasks]
    assert isinstance(task, Binary)
    assert task.trials == "impressions"
    assert "impressions" not in [g.column for g in made.features if g.is_used]
    assert type(_tasks(clicks=clicks)[0]) is Count
    assert type(_tasks(clicks=clicks + 9, impressions=shown)[0]) is Count


def test_an_event_that_happens_several_times_on_a_row_is_a_count() -> None:
    task = _tasks(click=CLICK * RNG.integers(1, 5, size=ROWS))[0]
    assert type(task) is Count
    made = _draft(order=np.arange(ROWS) % 10, click=CLICK)
    assert [guess.task.name for guess in made.tasks] == ["click"]


def test_a_count_that_describes_the_item_is_a_feature() -> None:
    item = RNG.integers(30, size=ROWS)
    made = _draft(item_id=item, likes=RNG.integers(900, size=30)[item], click=CLICK)
    assert [guess.task.name for guess in made.tasks] == ["click"]
    assert "likes" in [guess.column for guess in made.features]


def test_a_labelled_text_is_one_of_several_classes() -> None:
    (task,) = _tasks(target=np.array(["a", "b", "c"])[RNG.integers(3, size=ROWS)])
    assert isinstance(task, Multiclass)
    assert task.classes == ("a", "b", "c")


def test_a_person_may_say_what_is_a_label() -> None:
    (task,) = _tasks(("renewed",), renewed=CLICK, color=BUY)
    assert task.name == "renewed"
    (task,) = _tasks(("state",), state=np.where(BUY > 0, "gone", "here"))
    assert task.label == 'state == "gone"'
    (task,) = _tasks(("z",), z=CLICK * 2 + 1)
    assert task.label == "z == 3"
    (task,) = _tasks(("level",), level=RNG.exponential(size=ROWS))
    assert type(task) is Regression


def test_without_any_name_the_last_column_may_be_the_label() -> None:
    assert [task.name for task in _tasks(a=RNG.integers(9, size=ROWS), b=CLICK)] == ["b"]


def test_names_are_written_so_that_expressions_read_them() -> None:
    assert [written(name) for name in ("a", "a b", "101", "in", "true", "a`b")] == [
        "a",
        "`a b`",
        "`101`",
        "`in`",
        "`true`",
        'col("a`b")',
    ]


def test_rare_positives_are_said() -> None:
    rare = np.zeros(ROWS, dtype=int)
    rare[::200] = 1
    made = _draft(buy=rare)
    assert "rare" in made.tasks[0].reason
    (few,) = [c for c in made.warnings if c.kind == "few_positives"]
    assert few.numbers["positives"] < 15


def test_rows_that_all_have_some_feedback_are_said() -> None:
    made = _draft(cart=CLICK, buy=1 - CLICK * (RNG.random(ROWS) < 0.5))
    (caution,) = [c for c in made.warnings if c.kind == "no_negatives"]
    assert caution.columns == ("cart", "buy")
