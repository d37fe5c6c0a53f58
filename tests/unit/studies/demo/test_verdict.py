"""The sentences of a demonstration follow from its numbers."""

from __future__ import annotations

import math

import pytest

from plait.metrics import Estimate, Value
from plait.studies.demo.verdict import tasks_alone, verdict
from plait.studies.report.judging import Comparison, Judgement
from plait.tasks import Binary, Regression

ALONE = "single-task network"


def estimate(value: float, low: float = math.nan, high: float = math.nan) -> Estimate:
    return Estimate(value, low=low, high=high)


def judgement(*comparisons: Comparison, output: str = "buy") -> Judgement:
    return Judgement(
        output,
        kind="binary",
        metric="auc",
        higher_is_better=True,
        estimate=estimate(0.7),
        method="",
        n=900,
        n_positive=90,
        comparisons=comparisons,
    )


def compared(low: float, high: float, baseline: str = ALONE) -> Comparison:
    gain = estimate((low + high) / 2, low, high)
    return Comparison(baseline, estimate(0.7 - gain.value), gain)


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.01, 0.03, "buy: training the tasks together helped. AUC 0.700 together, 0.680 alone"),
        (-0.03, -0.01, "buy: training the tasks together hurt. AUC 0.700 together, 0.720 alone"),
        (-0.01, 0.05, "buy: no difference between together and alone that can be told from chance"),
        (-0.05, 0.01, "buy: no difference between together and alone that can be told from chance"),
    ],
)
def test_what_is_said_of_sharing_is_what_the_interval_says(
    low: float, high: float, said: str
) -> None:
    (sentence,) = verdict([judgement(compared(low, high))])
    assert sentence.startswith(said)
    words = [f"{number:+.3f}".replace("-", "−") for number in ((low + high) / 2, low, high)]
    assert f"a gain of {words[0]} (95 % interval {words[1]} to {words[2]})." in sentence


def test_where_there_is_no_interval_there_is_no_verdict() -> None:
    nothing = estimate(math.nan)
    missing = Comparison(ALONE, nothing, nothing, "all labels are of one class")
    (sentence,) = verdict([judgement(missing)])
    assert sentence == "buy: no verdict on sharing: all labels are of one class."
    (sentence,) = verdict([judgement(Comparison(ALONE, nothing, estimate(0.1)))])
    assert sentence == "buy: no verdict on sharing: the gain has no interval."


def test_simple_models_are_told_in_one_sentence_by_the_worst_comparison() -> None:
    better, worse, alike = (0.01, 0.02), (-0.02, -0.01), (-0.01, 0.02)
    found = verdict(
        [
            judgement(
                *(compared(*ends, baseline=name) for name, ends in both.items()), output=output
            )
            for output, both in {
                "click": {"constant": better, "linear model": better},
                "like": {"constant": better, "linear model": alike},
                "buy": {"constant": alike, "linear model": worse},
            }.items()
        ]
    )
    assert found == (
        "Against the constant and the linear model: the multi-task model is better than each of "
        "them on click; worse than at least one on buy; not told apart from at least one on like.",
    )


def test_without_comparisons_nothing_is_said() -> None:
    assert verdict([judgement()]) == ()


def test_the_commonest_and_the_rarest_task_are_trained_alone() -> None:
    positives = {"a": 300, "b": 900, "c": 40, "d": 500, "few": 19}
    judged = {name: Value(0.7, n=1000, n_positive=count) for name, count in positives.items()}
    tasks = [Regression("stars"), *map(Binary, positives)]
    judged["stars"] = Value(1.0, n=1000)
    assert tasks_alone(tasks, judged) == ("b", "c")
    assert tasks_alone(tasks[:3], judged) == ("b", "a")
    assert tasks_alone([tasks[0], Binary("few")], judged) == ("stars",)
