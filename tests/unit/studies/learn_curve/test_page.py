"""The page of a learning curve: the verdict first, every number, offline and without a script."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.studies.learn_curve.made import CLICK, curve

from plait.studies.learn_curve import LearnCurve, learn_curve_document
from plait.studies.learn_curve.cells import Place
from plait.studies.page.html import html_of
from plait.studies.page.markdown import markdown_of


def value(place: Place, task: str) -> float:
    better = {"supervised": 0.0, "joint": -0.01, "hybrid": 0.02}[place.family]
    better += (place.seed - 1) * 0.001 * (place.family != "supervised")
    return 0.7 + better if task == "click" else 1.0 - better


def refused(place: Place) -> str:
    return "Too few <positives>." if place.family == "joint" and place.share == 0.1 else ""


@pytest.fixture
def study(tmp_path: Path) -> LearnCurve:
    return curve(tmp_path, value, flips=(0.0, 0.2), refused=refused)


def test_the_verdict_comes_first(study: LearnCurve) -> None:
    document = learn_curve_document(study)
    assert document.sections[0].blocks[: len(study.verdict)] == list(study.verdict)
    assert [section.key for section in document.sections] == [
        *("verdict", "task-0", "calibration", "others", "refused", "about")
    ]


def test_the_text_has_every_number(study: LearnCurve) -> None:
    text = markdown_of(learn_curve_document(study))
    assert "Labels of 'click' were hidden on the 8,000 training rows" in text
    assert "Supervised learning, joint features and hybrid learnt from each, with 3 seeds" in text
    assert "judged on 1,000 validation rows, which kept all of their labels" in text
    assert "| 10\xa0% | 1,000 (71) | 0.700 | – | +0.020 (+0.018 to +0.022) ↑ |" in text, (
        "labels, positives, supervised, not possible, a gain"
    )
    assert "−0.010 (−0.012 to −0.0075) ↓" in text
    assert "| 100\xa0% | 0.700 | 0.690 | 0.720 |" in text
    assert "click, labels as they are: predicted over actual total" in text
    assert "| 10\xa0% | 1.250 | – | 1.250 |" in text
    assert "stars (RMSE), 20\xa0% of the labels turned round in click: better" in text
    assert "| joint features | 10\xa0% | Too few &lt;positives&gt;. |" in text
    assert "confirm on the test rows (--on test)" in text


def test_the_page_is_one_offline_file(study: LearnCurve) -> None:
    page = html_of(learn_curve_document(study))
    assert page.startswith("<!DOCTYPE html>")
    assert page.count("<svg") == 2 * 2
    assert "<script" not in page
    assert "Too few &lt;positives&gt;." in page
    assert "http" not in page.replace("http-equiv", "")


def test_nothing_is_said_of_what_is_not_there(tmp_path: Path) -> None:
    document = learn_curve_document(curve(tmp_path, value, tasks=(CLICK,)))
    assert [section.key for section in document.sections] == [
        *("verdict", "task-0", "calibration", "about")
    ]


def test_one_seed_shows_values_without_intervals(tmp_path: Path) -> None:
    text = markdown_of(learn_curve_document(curve(tmp_path, value, seeds=1)))
    assert "With 1 seed nothing can be said" in text
    assert "| 10\xa0% | 1,000 (70) | 0.700 | −0.011 | +0.019 |" in text
