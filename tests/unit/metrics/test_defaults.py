from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest

from plait.errors import UnknownNameError
from plait.metrics import metrics_for, primary_metric
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
)


@pytest.mark.parametrize(
    ("task", "primary", "others"),
    [
        (
            Binary("t"),
            "auc",
            ["gauc", "log_loss", "normalised_entropy", "pr_auc", "pcoc", "ece", "brier"],
        ),
        (Multiclass("t"), "log_loss", ["accuracy"]),
        (Regression("t"), "rmse", ["mae", "r2", "xauc"]),
        (Count("t"), "poisson_deviance", ["rmse", "mae", "r2", "xauc"]),
        (WatchTime("t", duration="d"), "xauc", ["rmse", "mae", "r2"]),
        (Value("t"), "normalised_gini", ["rmse", "mae", "r2", "xauc", "pcoc"]),
        (Ranking("t"), "ndcg@10", ["mrr@10", "hit_rate@10", "map@10", "gauc"]),
    ],
)
def test_every_kind_has_its_metrics_and_the_first_is_primary(
    task: Task, primary: str, others: list[str]
) -> None:
    assert [metric.name for metric in metrics_for(task)] == [primary, *others]
    assert primary_metric(task).name == primary


def test_no_kind_is_forgotten() -> None:
    for kind in TASK_KINDS:
        task = WatchTime("t", duration="d") if kind is WatchTime else kind("t")
        names = [metric.name for metric in metrics_for(task)]
        assert len(set(names)) == len(names) > 1


def test_metrics_are_fresh_each_time() -> None:
    first = metrics_for(Binary("click"))
    first[0].update([0.1, 0.9], [0, 1])
    assert metrics_for(Binary("click"))[0].compute().n == 0


def test_a_kind_without_metrics_is_named() -> None:
    @dataclass(frozen=True)
    class Survival(Task):
        kind: ClassVar[str] = "survival"

    words = "There is no kind of task 'survival' in the default metrics"
    with pytest.raises(UnknownNameError, match=words):
        metrics_for(Survival("churn"))
