"""From expressions over raw rows to labels, masks and weights."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from plait.data.labels import TaskReader, resolve_classes
from plait.errors import DataError, ExpressionError, TaskError, UnknownNameError
from plait.tasks import Binary, Count, Multiclass, Regression, Task, WatchTime

FRAME = pl.DataFrame(
    {
        "rating": [5.0, 2.0, None, 4.0],
        "click": [1, 0, 1, None],
        "buy": [1, 1, 0, 1],
        "shown": [10, 0, 4, None],
        "answer": ["yes", "no", None, "yes"],
        "grade": [3, 1, None, 3],
        "w": [1.0, 2.5, 0.0, 4.0],
        "is_on": [True, False, None, True],
    }
)


def read(task: Task, frame: pl.DataFrame = FRAME) -> tuple[list[float], list[bool], list[float]]:
    """Labels, masks and weights of one task."""
    found = TaskReader([task]).read(frame)
    return (
        found.labels[:, 0].tolist(),
        found.observed[:, 0].tolist(),
        found.weights[:, 0].tolist(),
    )


def test_a_label_is_an_expression_and_null_is_missing() -> None:
    assert read(Binary("like", label="rating >= 4")) == (
        [1.0, 0.0, 0.0, 1.0],
        [True, True, False, True],
        [1.0, 1.0, 0.0, 1.0],
    )


def test_without_an_expression_the_name_is_the_column() -> None:
    assert read(Regression("rating"))[0] == [5.0, 2.0, 0.0, 4.0]


def test_booleans_and_nan_are_read_as_labels_and_as_missing() -> None:
    assert read(Binary("is_on"))[:2] == ([1.0, 0.0, 0.0, 1.0], [True, True, False, True])
    frame = pl.DataFrame({"rating": [1.0, float("nan")]})
    assert read(Regression("rating"), frame)[1] == [True, False]


def test_a_space_and_what_was_observed_both_narrow_the_rows() -> None:
    assert read(Binary("buy", space="click == 1"))[1] == [True, False, True, False]
    assert read(Binary("buy", observed="rating > 3"))[1] == [True, False, False, True]
    assert read(Binary("buy", space="click == 1", observed="rating > 3"))[1] == [
        True,
        False,
        False,
        False,
    ]
    assert read(Binary("buy", space="click"))[1] == [True, False, True, False]


def test_labels_and_weights_are_zero_where_nothing_was_observed() -> None:
    labels, _, weights = read(Binary("buy", space="click == 1", weight="w"))
    assert labels == [1.0, 0.0, 0.0, 0.0]
    assert weights == [1.0, 0.0, 0.0, 0.0]


def test_a_space_must_be_a_comparison() -> None:
    with pytest.raises(TaskError, match=r"space of task 'buy' \(`answer`\) gives String; a compar"):
        read(Binary("buy", space="answer"))


def test_a_weight_is_an_expression() -> None:
    assert read(Binary("buy", weight="w * 2"))[2] == [2.0, 5.0, 0.0, 8.0]
    assert read(Binary("buy"))[2] == [1.0] * 4


@pytest.mark.parametrize(
    ("weight", "words"),
    [
        ("0 - w", "3 rows have no usable weight for task 'buy' (`0 - w`), the first with -1.0"),
        ("rating", "1 rows have no usable weight for task 'buy' (`rating`), the first with nan"),
        ("w / 0", "rows have no usable weight for task 'buy' (`w / 0`), the first with nan"),
    ],
)
def test_a_weight_that_is_no_weight_is_refused(weight: str, words: str) -> None:
    with pytest.raises(TaskError) as caught:
        read(Binary("buy", weight=weight))
    assert words in str(caught.value)
    assert "Write `fill_null(…, 0)` to leave rows out." in str(caught.value)


def test_a_weight_matters_only_on_observed_rows() -> None:
    assert read(Binary("buy", observed="rating > 0", weight="rating"))[2] == [5.0, 2.0, 0.0, 4.0]
    assert read(Binary("buy", weight="fill_null(rating, 0)"))[2] == [5.0, 2.0, 0.0, 4.0]


def test_classes_are_read_as_their_places() -> None:
    task = Multiclass("answer", classes=("no", "maybe", "yes"))
    assert read(task)[:2] == ([2.0, 0.0, 0.0, 2.0], [True, True, False, True])
    assert read(Multiclass("grade", classes=(1, 2, 3)))[0] == [2.0, 0.0, 0.0, 2.0]


@pytest.mark.parametrize("values", [[3, 1, None], [3.0, 1.0, None], ["3", "1", None]])
@pytest.mark.parametrize("classes", [(1, 3), ("1", "3")])
def test_one_class_may_come_as_a_whole_number_or_as_text(
    values: list[object], classes: tuple[int, ...] | tuple[str, ...]
) -> None:
    frame = pl.DataFrame({"grade": values}, strict=False)
    assert read(Multiclass("grade", classes=classes), frame)[:2] == (
        [1.0, 0.0, 0.0],
        [True, True, False],
    )


def test_case_22_a_class_that_was_not_known_is_named_with_its_task() -> None:
    with pytest.raises(TaskError) as caught:
        read(Multiclass("answer", classes=("no", "perhaps")))
    message = str(caught.value)
    assert "Task 'answer': 2 labels are none of its classes, such as 'yes'." in message
    assert "Known: no, perhaps." in message
    assert "leave such rows out with `observed`" in message


def test_case_22_a_broken_number_is_no_class() -> None:
    frame = pl.DataFrame({"grade": [1.0, 1.5, 2.0]})
    with pytest.raises(TaskError, match=r"1 labels are none of its classes, such as 1\.5"):
        read(Multiclass("grade", classes=(1, 2)), frame)


def test_case_22_classes_outside_the_space_do_not_matter() -> None:
    task = Multiclass("answer", classes=("no", "perhaps"), observed='answer != "yes"')
    assert read(task)[1] == [False, True, False, False]


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        ([3, 1, None, 3], (1, 3)),
        ([3.0, 1.0, None, float("nan")], (1, 3)),
        ([1.5, 1.0, None, 2.0], ("1", "1.5", "2")),
        (["b", "a", None, "b"], ("a", "b")),
        ([True, False, None, True], ("false", "true")),
    ],
)
def test_classes_are_those_of_the_training_rows(
    values: list[object], classes: tuple[object, ...]
) -> None:
    frame = pl.DataFrame({"answer": values}, strict=False)
    for train in (frame, frame.lazy()):
        task = resolve_classes(Multiclass("answer"), train)
        assert isinstance(task, Multiclass)
        assert task.classes == classes
        labels, observed, _ = read(task, frame)
        assert labels[1] == 0.0
        assert not observed[2]


def test_a_sentinel_that_was_not_observed_becomes_no_class() -> None:
    frame = pl.DataFrame({"answer": [-1, 0, 1, 2], "shown": [1, 1, 1, 0]})
    task = resolve_classes(Multiclass("answer", observed="answer != -1", space="shown == 1"), frame)
    assert isinstance(task, Multiclass)
    assert task.classes == (0, 1)


def test_other_tasks_and_given_classes_stay_as_they_are() -> None:
    given = Multiclass("answer", classes=("x", "y"))
    assert resolve_classes(given, FRAME) is given
    binary = Binary("click")
    assert resolve_classes(binary, FRAME) is binary


def test_one_class_and_too_many_are_refused() -> None:
    with pytest.raises(TaskError, match="training rows hold 1 classes; between 2 and 10000 were"):
        resolve_classes(Multiclass("a"), pl.DataFrame({"a": ["x", "x", None]}))
    with pytest.raises(TaskError, match=r"hold 10001 classes; .* Is it a binary task, or a"):
        resolve_classes(Multiclass("a"), pl.DataFrame({"a": range(10_001)}))


def test_case_94_successes_are_divided_by_trials_and_weigh_them() -> None:
    frame = pl.DataFrame({"clicks": [5, 0, 1], "shown": [10, 0, 4], "w": [1.0, 1.0, 2.0]})
    task = Binary("ctr", label="clicks", trials="shown", weight="w")
    labels, observed, weights = read(task, frame)
    assert labels == [0.5, 0.0, 0.25]
    assert observed == [True, False, True]
    assert weights == [10.0, 0.0, 8.0]
    assert TaskReader([task]).extras == ("ctr.trials",)


def test_null_trials_are_no_trials_and_negative_ones_are_refused() -> None:
    task = Binary("ctr", label="click", trials="shown")
    assert read(task)[1] == [True, False, True, False]
    with pytest.raises(TaskError, match=r"1 rows have negative trials \(`shown - 5`\); a count"):
        read(Binary("ctr", label="click", trials="shown - 5"), FRAME.head(1).vstack(FRAME[2:3]))


def test_extra_columns_are_read_with_nulls_as_nan() -> None:
    tasks = [
        Count("buy", exposure="shown / 2"),
        WatchTime("rating", duration="w"),
        Binary("click"),
    ]
    reader = TaskReader(tasks)
    assert reader.extras == ("buy.exposure", "rating.duration")
    found = reader.read(FRAME).extras
    assert found.dtype == np.float32
    assert_allclose(found[:, 0], [5.0, 0.0, 2.0, np.nan])
    assert_array_equal(found[:, 1], [1.0, 2.5, 0.0, 4.0])
    assert reader.serving_columns == {"shown", "w"}
    assert TaskReader([Binary("click")]).read_extras(FRAME).shape == (4, 0)
    assert TaskReader([Binary("click")]).serving_columns == frozenset()
    aggregated = TaskReader([Binary("ctr", label="click", trials="shown")])
    assert aggregated.extras == ("ctr.trials",)
    assert aggregated.serving_columns == frozenset()


def test_the_columns_of_all_expressions_are_known() -> None:
    task = Binary("like", label="rating >= 4", space="click == 1", weight="w", observed="is_on")
    assert TaskReader([task]).columns == {"rating", "click", "w", "is_on"}


def test_a_text_label_asks_for_a_comparison() -> None:
    with pytest.raises(DataError) as caught:
        read(Binary("answer"))
    assert "The label of task 'answer' gives String, such as ['yes']" in str(caught.value)
    assert 'Write a comparison such as `answer == "yes"`' in str(caught.value)
    with pytest.raises(DataError, match="The weight of task 'buy' gives String"):
        read(Binary("buy", weight="answer"))
    with pytest.raises(DataError, match="gives String, such as"):
        TaskReader([Count("buy", exposure="answer")]).read(FRAME)


@pytest.mark.parametrize("dtype", [pl.Null, pl.Int64, pl.Float64, pl.Boolean])
def test_a_label_that_is_all_null_is_never_observed(dtype: type[pl.DataType]) -> None:
    frame = pl.DataFrame({"click": pl.Series([None, None], dtype=dtype)})
    assert read(Binary("click"), frame) == ([0.0, 0.0], [False, False], [0.0, 0.0])


@pytest.mark.parametrize("dtype", [pl.Null, pl.String, pl.Int64])
def test_classes_that_are_all_null_are_never_observed(dtype: type[pl.DataType]) -> None:
    frame = pl.DataFrame({"answer": pl.Series([None, None], dtype=dtype)})
    task = Multiclass("answer", classes=("no", "yes"))
    assert read(task, frame) == ([0.0, 0.0], [False, False], [0.0, 0.0])


def test_no_rows_are_read_as_no_rows() -> None:
    tasks = [Binary("click"), Multiclass("answer", classes=("no", "yes"))]
    found = TaskReader(tasks).read(FRAME.clear())
    assert found.labels.shape == found.observed.shape == found.weights.shape == (0, 2)


def test_missing_columns_are_named_with_their_task() -> None:
    reader = TaskReader([Binary("like", label="ratng >= 4", weight="ww")])
    with pytest.raises(UnknownNameError, match=r"'ratng' in the label of task 'like'.*'rating'"):
        reader.check(FRAME.columns)
    with pytest.raises(UnknownNameError, match="in the weight of task 'click'"):
        TaskReader([Binary("click", weight="ww")]).check(FRAME.columns)
    with pytest.raises(UnknownNameError, match="in the space of task 'click'"):
        TaskReader([Binary("click", observed="ww")]).check(FRAME.columns)
    with pytest.raises(UnknownNameError, match=r"in the column 'buy\.exposure'"):
        TaskReader([Count("buy", exposure="ww")]).check(FRAME.columns)
    TaskReader([Binary("click", weight="w")]).check(FRAME.columns)


def test_a_bad_expression_is_refused_at_once() -> None:
    with pytest.raises(ExpressionError):
        TaskReader([Binary("click", label="click = 1")])
