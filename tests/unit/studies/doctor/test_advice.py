"""Each rule fires on what it is for, and only then; the most urgent come first."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from plait.metrics import Value
from plait.studies.doctor.advice import all_advice, first_things
from plait.studies.doctor.drift import FeatureDrift, LabelDrift
from plait.studies.doctor.examination import Examination
from plait.studies.doctor.fit import Gap, Share, Unseen
from plait.studies.doctor.importance import Importance


def gap(train: float, held_out: float, excess: float) -> Gap:
    """The click's AUC on both parts."""
    sizes = (1000, 500)
    return Gap("click", "auc", True, train, held_out, excess, sizes)  # noqa: FBT003


def strangers(share: float) -> Unseen:
    """So large a share of rows with users that training never saw."""
    return Unseen("user", is_key=True, train=0.0, after=share, n=500)


WELL = Examination(
    run=Path("run"),
    compared_with="test",
    rows=(1000, 500),
    labels=(LabelDrift("click", "TV", 0.0, (0.2, 0.2), (1000, 500), "none"),),
    features=(FeatureDrift("age", "KS", 0.01, 0.05, (0.0, 0.0), (1000, 500), "none"),),
    importances=(Importance("click", "age", "auc", 0.1, 0.01, 500),),
    gaps=(gap(0.80, 0.79, 0.01),),
    unseen=(strangers(0.05),),
    shares=(
        Share("click", 0.5, 0.5, 1000, 200, 100),
        Share("stars", 0.5, 0.5, 1000, None, 100),
    ),
    gates=(),
    dead_experts=(),
    collapsed_gates=(),
    metrics={"click": {"auc": Value(0.8), "pcoc": Value(1.02)}},
    still_improving=False,
    skipped={"click": 0},
)
"""An examination in which nothing is wrong."""

ILLS = {
    "Too good": replace(WELL, metrics={"click": {"auc": Value(0.995)}}),
    "not finite": replace(WELL, skipped={"click": 3}),
    "Too few positives": replace(WELL, shares=(Share("click", 1.0, 1.0, 1000, 12, 100),)),
    "Labels changed": replace(
        WELL, labels=(LabelDrift("click", "TV", 0.1, (0.2, 0.3), (9, 9), "strong"),)
    ),
    "epochs were used up": replace(WELL, still_improving=True),
    "no better than by chance": replace(WELL, metrics={"click": {"auc": Value(0.505)}}),
    "training never saw": replace(WELL, unseen=(strangers(0.4),)),
    "learnt by heart": replace(WELL, gaps=(gap(0.9, 0.7, 0.2),)),
    "hardly a part of the gradient": replace(
        WELL,
        shares=(Share("click", 0.9, 0.95, 900, 200, 100), Share("buy", 0.1, 0.05, 900, 200, 100)),
    ),
    "distributed otherwise": replace(
        WELL, features=(FeatureDrift("age", "KS", 0.4, 0.05, (0.0, 0.0), (9, 9), "strong"),)
    ),
    "far from 1": replace(WELL, metrics={"click": {"auc": Value(0.8), "pcoc": Value(1.3)}}),
    "No gate uses expert 1": replace(WELL, dead_experts=("expert 1",)),
    "reads one expert only": replace(WELL, collapsed_gates=("click",)),
    "clearly worse when noise is shuffled": replace(
        WELL,
        importances=(*WELL.importances, Importance("click", "noise", "auc", 0.0, 0.01, 500)),
    ),
}


def findings(found: Examination) -> str:
    """What the rules found, but for what is worth trying with any run."""
    return " ".join(advice.finding for advice in all_advice(found) if advice.urgency > 10)


def test_where_nothing_is_wrong_no_rule_fires_and_three_things_are_still_told() -> None:
    assert findings(WELL) == ""
    told = first_things(WELL)
    assert len(told) == 3
    assert "plait report run --baselines" in told[0].remedy


@pytest.mark.parametrize("ill", ILLS)
def test_a_rule_fires_on_its_ill_alone(ill: str) -> None:
    told = findings(ILLS[ill])
    assert ill in told
    assert [other for other in ILLS if other in told] == [ill]
    assert ill in first_things(ILLS[ill])[0].finding


def test_a_task_of_few_labels_may_pull_little() -> None:
    few = Share("survey", 0.02, 0.02, 20, 8, 1)
    assert findings(replace(WELL, shares=(*WELL.shares, few))) == ""
    starving = Share("survey", 0.002, 0.002, 20, 8, 1)
    told = findings(replace(WELL, shares=(*WELL.shares, starving))).replace("\xa0", " ")
    assert "survey (0.2 % for 1 % of the labels)" in told


def test_the_most_urgent_come_first() -> None:
    found = replace(
        WELL,
        dead_experts=("expert 1",),
        still_improving=True,
        metrics={"click": {"auc": Value(0.999), "pcoc": Value(0.5)}},
    )
    told = first_things(found)
    assert [advice.urgency for advice in told] == sorted((a.urgency for a in told), reverse=True)
    assert "Too good" in told[0].finding
    assert "from age" in told[0].finding  # what the output leans on
    assert "epochs" in told[1].finding


def test_drift_of_what_a_task_leans_on_is_more_urgent() -> None:
    drift = FeatureDrift("age", "KS", 0.2, 0.05, (0.0, 0.0), (9, 9), "some")
    leaning = first_things(replace(WELL, features=(drift,)))[0]
    other = first_things(replace(WELL, features=(replace(drift, feature="x"),)))[0]
    assert "Tasks lean on age." in leaning.finding
    assert leaning.urgency > other.urgency


def test_users_that_come_and_go_are_no_drift_unless_it_is_strong() -> None:
    drift = FeatureDrift("user", "PSI", 0.2, 0.05, (0.0, 0.0), (9, 9), "some", is_key=True)
    assert findings(replace(WELL, features=(drift,))) == ""
    strong = replace(drift, strength="strong")
    assert "user (PSI 0.200)" in findings(replace(WELL, features=(strong,)))


def test_classes_that_moved_are_told_without_a_mean() -> None:
    drift = LabelDrift("mood", "TV", 0.3, (math.nan, math.nan), (9, 9), "some")
    assert "mood (other shares of its classes)" in findings(replace(WELL, labels=(drift,)))


def test_numbers_that_are_unknown_fire_no_rule() -> None:
    nothing = Value(math.nan, reason="no rows")
    gaps = (gap(math.nan, math.nan, math.nan),)
    found = replace(WELL, metrics={"click": {"auc": nothing, "pcoc": nothing}}, gaps=gaps)
    assert findings(found) == ""


def test_an_output_leans_on_what_is_clear_and_large() -> None:
    found = replace(
        WELL,
        importances=(
            Importance("click", "large", "auc", 0.2, 0.01, 9),
            Importance("click", "small", "auc", 0.01, 0.001, 9),
            Importance("click", "noisy", "auc", 0.1, 0.09, 9),
            Importance("click", "second", "auc", 0.1, 0.01, 9),
            Importance("click", "harmful", "auc", -0.1, 0.01, 9),
            Importance("stars", "other", "rmse", 9.0, 0.01, 9),
        ),
    )
    assert found.important("click") == ("large", "second")
    assert found.important("mood") == ()
