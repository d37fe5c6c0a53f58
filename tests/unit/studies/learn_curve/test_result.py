"""What follows from the trainings: paired gains, in the direction of the metric."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from tests.unit.studies.learn_curve.made import curve

from plait.studies.learn_curve.cells import Place

LUCK = (0.0, 0.1, 0.05)
"""What a seed does to all alike; pairing takes it out."""


def value(place: Place, task: str) -> float:
    better = {"supervised": 0.0, "joint": -0.01, "hybrid": 0.02}[place.family]
    better += (place.seed - 1) * 0.001 * (place.family == "hybrid")
    return LUCK[place.seed] + (0.7 + better if task == "click" else 1.0 - better)


def test_gains_are_paired_over_the_seeds(tmp_path: Path) -> None:
    found = curve(tmp_path, value).gain("click", 0.1, 0.0, "hybrid")
    # Worked by hand: differences .019, .020, .021; s = .001; t(2 df, 97.5 %) = 4.302653.
    reach = 4.302653 * 0.001 / math.sqrt(3)
    assert found.estimate.value == pytest.approx(0.02)
    assert found.estimate.low == pytest.approx(0.02 - reach, abs=1e-7)
    assert found.estimate.high == pytest.approx(0.02 + reach, abs=1e-7)
    assert found.helps
    assert not found.hurts


def test_of_an_error_less_is_better(tmp_path: Path) -> None:
    study = curve(tmp_path, value)
    assert study.gain("stars", 0.1, 0.0, "hybrid").estimate.value == pytest.approx(0.02)
    assert study.gain("stars", 1.0, 0.0, "joint").hurts
    assert study.level("stars", 0.1, 0.0, "hybrid").estimate.value == pytest.approx(1.03)


def test_the_verdict_is_on_the_tasks_whose_labels_were_hidden(tmp_path: Path) -> None:
    study = curve(tmp_path, value)
    assert "hybrid would help most" in study.verdict[0]
    assert not any("stars" in sentence for sentence in study.verdict)
    assert "Worse than supervised: joint features at 10\xa0% and 100\xa0%." in study.verdict[1]


def test_what_was_not_possible_has_no_gain_and_says_why(tmp_path: Path) -> None:
    study = curve(
        tmp_path, value, refused=lambda p: "too few." if p.family == "joint" and p.seed == 2 else ""
    )
    found = study.gain("click", 0.1, 0.0, "joint").estimate
    assert math.isnan(found.value)
    assert found.reason == "too few."
    assert study.gain("click", 0.1, 0.0, "hybrid").helps


def test_one_seed_has_values_without_intervals(tmp_path: Path) -> None:
    found = curve(tmp_path, value, seeds=1).gain("click", 0.1, 0.0, "hybrid")
    assert found.estimate.value == pytest.approx(0.019)
    assert not found.helps
    assert not found.hurts


def test_all_of_it_is_plain_data(tmp_path: Path) -> None:
    study = curve(tmp_path, value, refused=lambda p: "no." if p.family == "joint" else "")
    form = json.loads(json.dumps(study.to_json(), allow_nan=False))
    assert form["experiment"] == "my.toml"
    assert form["settings"]["shares"] == [0.1, 1.0]
    assert form["rows"] == {"train": 8000, "judged": 1000}
    assert len(form["cells"]) == 3 * 2 * 3
    first = next(g for g in form["gains"] if g["family"] == "hybrid")
    assert (first["task"], first["share"], first["helps"]) == ("click", 0.1, True)
    assert form["gains"][0]["estimate"]["reason"] == "no."
    assert form["verdict"] == list(study.verdict)
