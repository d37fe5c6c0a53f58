"""Whether several tasks fit together."""

from __future__ import annotations

import pytest

from plait.errors import TaskError, UnknownNameError
from plait.tasks import (
    Binary,
    Regression,
    check_tasks,
)


def test_tasks_that_fit_together_come_back_as_a_tuple() -> None:
    tasks = [Binary("click"), Binary("buy", parents=("click",))]
    assert check_tasks(iter(tasks)) == tuple(tasks)


def test_tasks_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(TaskError, match="Name at least one thing to predict"):
        check_tasks([])
    with pytest.raises(TaskError, match="Two tasks share a name: click"):
        check_tasks([Binary("click"), Regression("click")])
    with pytest.raises(TaskError, match="Every task is auxiliary: at least one needs the role"):
        check_tasks([Binary("click", role="auxiliary")])
    with pytest.raises(UnknownNameError, match="no task 'clik' in the parents of 'buy'"):
        check_tasks([Binary("click"), Binary("buy", parents=("clik",))])


def test_parents_must_not_form_a_circle() -> None:
    tasks = [
        Binary("view"),
        Binary("click", parents=("view", "buy")),
        Binary("buy", parents=("click",)),
    ]
    with pytest.raises(TaskError, match="The parents of these tasks form a circle: buy, click"):
        check_tasks(tasks)
