"""Charts: every point is inside its box, the axis is round, unknown values are left out."""

from __future__ import annotations

import math
from xml.etree.ElementTree import Element

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plait.studies.page.charts import (
    Bar,
    Series,
    calibration_chart,
    forest_chart,
    line_chart,
    ticks,
)

NUMBERS = st.floats(-1e6, 1e6, allow_nan=False)
_PLACES = ("x", "y", "x1", "y1", "x2", "y2", "cx", "cy")


def check_inside(drawing: Element) -> None:
    """Every coordinate lies in the drawing's box."""
    _, _, width, height = map(float, drawing.attrib["viewBox"].split())
    for element in drawing.iter():
        for name in _PLACES:
            if name in element.attrib:
                limit = width if "x" in name else height
                assert -1 <= float(element.attrib[name]) <= limit + 1, element.attrib


@settings(max_examples=30)
@given(NUMBERS, st.floats(1e-6, 1e6))
def test_ticks_are_few_and_inside(low: float, span: float) -> None:
    high = low + span
    if high - low < 1e-9 * max(1.0, abs(low)):
        return
    found = ticks(low, high)
    reach = 1e-6 * span + 1e-9 * abs(low)
    assert len(found) <= 5
    assert all(low - reach <= tick <= high + reach for tick in found)


@settings(max_examples=30)
@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=6))
def test_lines_stay_in_their_box(points: list[tuple[float, float]]) -> None:
    drawing = line_chart([Series(points)], title="t", axes=("x", "y"), mark=points[0][0])
    check_inside(drawing)


@settings(max_examples=30)
@given(st.lists(st.tuples(NUMBERS, NUMBERS, st.floats(0, 100)), min_size=1, max_size=6))
def test_calibration_points_stay_in_their_box(points: list[tuple[float, float, float]]) -> None:
    check_inside(calibration_chart(points, title="t"))


def test_a_forest_draws_a_dot_and_a_whisker_for_what_is_known() -> None:
    bars = [
        Bar("this model", 0.7, 0.6, 0.8, is_model=True),
        Bar("a baseline of a very long name", 0.5, math.nan, math.nan, is_model=False),
        Bar("nothing", math.nan, math.nan, math.nan, is_model=False),
    ]
    drawing = forest_chart(bars, title="AUC", axis="AUC")
    check_inside(drawing)
    classes = [element.attrib.get("class") for element in drawing.iter()]
    assert classes.count("point") == 2
    assert classes.count("whisker") == 1
    assert any((element.text or "").endswith("…") for element in drawing.iter("text"))


def test_unknown_scores_leave_a_line() -> None:
    drawing = line_chart(
        [Series([(1.0, math.nan), (2.0, 0.5), (3.0, 0.6)])], title="t", axes=("step", "score")
    )
    (line,) = drawing.iter("polyline")
    assert len(line.attrib["points"].split()) == 2


def test_a_line_that_hardly_moves_is_drawn_flat() -> None:
    drawing = line_chart([Series([(0, 0.5), (1, 0.500001)])], title="t", axes=("x", "y"))
    heights = [float(dot.attrib["cy"]) for dot in drawing.iter("circle")]
    assert heights[0] == pytest.approx(heights[1], abs=0.1)


def test_a_chart_says_what_it_is_to_those_who_do_not_see_it() -> None:
    drawing = calibration_chart([(0.1, 0.2, 0.05)], title="like: predicted and actual")
    assert drawing.attrib["role"] == "img"
    assert drawing.attrib["aria-label"] == "like: predicted and actual"
