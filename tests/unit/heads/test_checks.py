from __future__ import annotations

import numpy as np
import pytest

from plait.errors import TaskError
from plait.heads import TargetFacts
from plait.heads.checks import check_labels, check_not_negative, read_column
from plait.tasks import Regression

TASK = Regression("hours", label="minutes / 60", weight="trust")


def test_finite_labels_pass() -> None:
    check_labels(TASK, TargetFacts(np.array([-1.0, 2.0]), np.ones(2)))


def test_no_label_names_the_expressions_to_check() -> None:
    with pytest.raises(TaskError, match=r"Check `label` \('minutes / 60'\), `space` \(None\)"):
        check_labels(TASK, TargetFacts(np.empty(0), np.empty(0)))


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_a_weight_that_is_negative_or_not_finite_is_refused(bad: float) -> None:
    with pytest.raises(TaskError, match=r"1 of 2 rows hold a bad weight, .* 0 leaves a row out"):
        check_labels(TASK, TargetFacts(np.array([1.0, 2.0]), np.array([1.0, bad])))


def test_weights_that_are_all_zero_are_refused() -> None:
    with pytest.raises(TaskError, match=r"the weight is 0 on all of its 2 .* \('trust'\)"):
        check_labels(TASK, TargetFacts(np.array([1.0, 2.0]), np.zeros(2)))


def test_a_negative_label_is_named_with_the_way_out() -> None:
    message = r"1 of 3 rows hold a bad label, .* -1; expected .* not negative\. Make the label null"
    with pytest.raises(TaskError, match=message):
        check_not_negative(TASK, TargetFacts(np.array([0.0, -1.0, 4.0]), np.ones(3)))


def test_an_absent_column_is_named_beside_those_there_are() -> None:
    with pytest.raises(TaskError, match=r"reads the column 'length' .* hold \['age', 'days'\]"):
        read_column(TASK, {"days": 1, "age": 2}, "length")
    with pytest.raises(TaskError, match="the rows hold no such column"):
        read_column(TASK, {}, "length")
