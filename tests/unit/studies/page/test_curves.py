"""Curves side by side: inside their box, told apart without colour, unknown values left out."""

from __future__ import annotations

import math
from itertools import pairwise
from xml.etree.ElementTree import Element

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.studies.page.test_charts import check_inside

from plait.studies.page.curves import Curve, CurvePoint, curve_chart

NUMBERS = st.floats(-1e6, 1e6, allow_nan=False)
POINTS = st.lists(
    st.builds(
        lambda value, reach: CurvePoint(value, value - reach, value + reach),
        NUMBERS,
        st.floats(0, 1e3),
    ),
    min_size=3,
    max_size=3,
)
NAMES = ("1 %", "10 %", "100 %")


def chart(*curves: Curve, zero: bool = False) -> Element:
    return curve_chart(curves, NAMES, title="gain", axes=("labels", "AUC"), zero=zero)


def drawn(drawing: Element, kind: str) -> list[Element]:
    return [element for element in drawing.iter() if element.attrib.get("class") == kind]


@settings(max_examples=30)
@given(st.lists(POINTS, min_size=1, max_size=5), st.booleans())
def test_curves_stay_in_their_box(points: list[list[CurvePoint]], zero: bool) -> None:  # noqa: FBT001
    curves = [Curve(f"way {place}", found, place) for place, found in enumerate(points)]
    drawing = chart(*curves, zero=zero)
    check_inside(drawing)
    _, _, _, height = map(float, drawing.attrib["viewBox"].split())
    for element in drawing.iter("polyline"):
        for pair in element.attrib["points"].split():
            assert 0 <= float(pair.split(",")[1]) <= height


def test_each_known_value_has_a_mark_and_its_interval() -> None:
    curve = Curve("a", [CurvePoint(0.1, 0.0, 0.2), CurvePoint(math.nan), CurvePoint(0.3)], 0)
    drawing = chart(curve)
    assert len(drawn(drawing, "point")) == 2 + 1, "two values and the legend"
    assert len(drawn(drawing, "range")) == 1


def test_curves_have_shapes_of_their_own_and_a_legend() -> None:
    point = [CurvePoint(float(place)) for place in range(3)]
    drawing = chart(*(Curve(f"way {place}", point, place) for place in range(5)))
    texts = [element.text for element in drawing.iter("text")]
    assert [text for text in texts if text and text.startswith("way")] == [
        f"way {place}" for place in range(5)
    ]
    assert set(NAMES) <= set(texts)
    shapes = {
        "circle" if element.tag == "circle" else len(element.attrib["points"].split())
        for element in drawn(drawing, "point")
    }
    assert shapes == {"circle", 3, 4}
    marks = [element for element in drawn(drawing, "point") if element.tag == "polygon"]
    outlines = set()
    for mark in marks:
        pairs = [tuple(map(float, p.split(","))) for p in mark.attrib["points"].split()]
        left, top = min(x for x, _ in pairs), min(y for _, y in pairs)
        outlines.add(tuple((round(x - left), round(y - top)) for x, y in pairs))
    assert len(outlines) == 4


def test_marks_of_one_setting_do_not_cover_each_other() -> None:
    points = [CurvePoint(1.0, 0.5, 1.5)] * 3
    drawing = chart(Curve("a", points, 0), Curve("b", points, 1))
    places = sorted(float(element.attrib["x1"]) for element in drawn(drawing, "range"))
    assert min(b - a for a, b in pairwise(places)) >= 6


def test_a_gain_has_a_line_at_0_within_its_range() -> None:
    curve = Curve("a", [CurvePoint(5.0)] * 3, 0)
    (mark,) = drawn(chart(curve, zero=True), "mark")
    assert mark.attrib["y1"] == mark.attrib["y2"]
    assert not drawn(chart(curve), "mark")


def test_nothing_known_is_an_empty_plane() -> None:
    check_inside(chart(Curve("a", [CurvePoint(math.nan)] * 3, 0)))
