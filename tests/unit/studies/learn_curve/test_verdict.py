"""The sentences of a learning curve follow from its intervals."""

from __future__ import annotations

import math

import pytest
from tests.unit.studies.learn_curve.made import gain

from plait.metrics import Estimate
from plait.studies.learn_curve.gains import Gain
from plait.studies.learn_curve.verdict import verdict


def test_a_way_to_learn_helps_where_its_interval_is_above_0() -> None:
    headline, detail = verdict(
        [gain(0.01, 0.03), gain(-0.01, 0.05, family="joint"), gain(-0.01, 0.01, share=1.0)],
        seeds=3,
    )
    assert headline == (
        "On this log hybrid would help most: it showed a gain over supervised learning in 1 of 2 "
        "settings, and was the best in 1 (3 seeds; a setting is a task with a share of its labels "
        "and of wrong ones)."
    )
    assert detail == (
        "click, labels as they are: at 5\xa0% of the labels hybrid helps (AUC better by +0.020, "
        "95 % interval +0.010 to +0.030); none showed a gain at 100\xa0% of the labels."
    )


def test_of_several_that_help_the_one_with_the_largest_gain_is_named() -> None:
    both = [gain(0.01, 0.03), gain(0.005, 0.055, family="soft_labels"), gain(-1, 9, family="joint")]
    headline, detail = verdict(both, seeds=5)
    assert "soft labels would help most" in headline
    assert "(5 seeds" in headline
    assert "at 5\xa0% of the labels soft labels helps most (AUC better by +0.030" in detail


def test_the_headline_names_what_is_best_most_often() -> None:
    headline = verdict(
        [
            gain(0.01, 0.03, share=0.01),
            gain(0.01, 0.03, share=0.05),
            gain(0.4, 0.5, family="joint", share=1.0),
            gain(0.1, 0.2, share=1.0),
        ],
        seeds=3,
    )[0]
    assert "hybrid would help most" in headline
    assert "in 3 of 3 settings, and was the best in 2" in headline


@pytest.mark.parametrize(("low", "high"), [(-0.01, 0.09), (0.0, 0.09), (-0.09, -0.01)])
def test_no_interval_above_0_is_no_gain(low: float, high: float) -> None:
    headline, detail = verdict([gain(low, high)], seeds=4)
    assert headline == (
        "None of the ways to learn showed a gain over supervised learning on this log (4 seeds)."
    )
    assert detail.startswith(
        "click, labels as they are: none showed a gain at 5\xa0% of the labels."
    )
    assert ("Worse than supervised: hybrid at 5\xa0%." in detail) == (high < 0)


def test_each_task_and_each_share_of_wrong_labels_has_its_sentence() -> None:
    told = verdict(
        [gain(0.1, 0.2), gain(-0.1, 0.2, flip=0.2), gain(0.1, 0.2, task="buy", flip=0.2)], seeds=3
    )[1:]
    assert [sentence.partition(":")[0] for sentence in told] == [
        "click, labels as they are",
        "click, 20\xa0% of the labels turned round",
        "buy, 20\xa0% of the labels turned round",
    ]


@pytest.mark.parametrize(("seeds", "have"), [(1, "1 seed "), (2, "2 seeds ")])
def test_with_fewer_than_three_seeds_nothing_is_said(seeds: int, have: str) -> None:
    (sentence,) = verdict([gain(0.1, 0.2)], seeds=seeds)
    assert sentence.startswith(f"With {have}nothing can be said")
    assert "at least 3 (--seeds 3); what is done is kept." in sentence


def test_where_nothing_could_be_judged_the_reason_is_said() -> None:
    estimate = Estimate(math.nan, n=3, reason="3 of 3 values are not finite")
    (sentence,) = verdict([Gain("click", "auc", 1.0, 0.0, "joint", estimate)], seeds=3)
    assert sentence == "Nothing can be said: 3 of 3 values are not finite."


def test_supervised_alone_is_compared_with_nothing() -> None:
    (sentence,) = verdict([], seeds=3)
    assert sentence.startswith("Nothing was compared")
