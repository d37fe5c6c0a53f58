"""Curves over a few settings, side by side with their intervals, as inline SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple
from xml.etree.ElementTree import Element

from .charts import Scale, ticks
from .nodes import node
from .numbers import short
from .shapes import LEFT, WIDTH, range_of, stroke, svg, words

__all__ = ["Curve", "CurvePoint", "curve_chart"]

NUM_COLOURS = 5
_LEGEND_WIDTH = 150.0
_LEGEND_HEIGHT = 17.0
_HEIGHT = 170.0
_DODGE = 7.0
"""Between the marks of two curves at one setting, so that intervals do not cover each other."""


class CurvePoint(NamedTuple):
    """A value at one setting; nan where there is none, also for the ends of its interval."""

    value: float
    low: float = math.nan
    high: float = math.nan


class Curve(NamedTuple):
    """One line of the chart: a point for each setting, in their order."""

    label: str
    points: Sequence[CurvePoint]
    colour: int


def curve_chart(
    curves: Sequence[Curve],
    settings: Sequence[str],
    *,
    title: str,
    axes: tuple[str, str],
    zero: bool = False,
) -> Element:
    """Curves over settings that stand at equal distances, with a legend above.

    Each curve has a colour and a shape of its own, so that colours need not be told apart.

    Args:
        curves: each with a point for every setting.
        settings: what is written below the points.
        title: what the drawing shows, for who does not see it.
        axes: names of both axes.
        zero: whether to draw a line at 0, and to have 0 in the range.
    """
    top = 12 + _LEGEND_HEIGHT * math.ceil(len(curves) / 2)
    bottom = top + 12 + _HEIGHT
    known = [v for c in curves for point in c.points for v in point if math.isfinite(v)]
    y = Scale(*range_of([*known, 0.0] if zero else known), bottom, top + 20)
    x = Scale(-0.6, len(settings) - 0.4, LEFT, WIDTH - 6)
    drawing = svg(bottom + 40, title)
    for place, curve in enumerate(curves):
        drawing.extend(_legend(curve, place))
    for tick in ticks(y.low, y.high):
        drawing.append(stroke("grid", LEFT, y(tick), x.last, y(tick)))
        drawing.append(words(short(tick), LEFT - 6, y(tick) + 4, "end"))
    drawing.append(words(axes[1], 4, top + 8, "start"))
    drawing.append(stroke("axis", x.first, bottom, x.last, bottom))
    for place, name in enumerate(settings):
        drawing.append(words(name, x(place), bottom + 16, "middle"))
    drawing.append(words(axes[0], (x.first + x.last) / 2, bottom + 34, "middle"))
    if zero:
        drawing.append(stroke("mark", x.first, y(0.0), x.last, y(0.0)))
    for place, curve in enumerate(curves):
        shift = _DODGE * (place - (len(curves) - 1) / 2)
        drawing.append(_drawn(curve, x, y, shift))
    return drawing


def _drawn(curve: Curve, x: Scale, y: Scale, shift: float) -> Element:
    group = node("g", {"class": f"curve c{curve.colour % NUM_COLOURS}"})
    places = [
        (x(at) + shift, point)
        for at, point in enumerate(curve.points)
        if math.isfinite(point.value)
    ]
    path = " ".join(f"{at:.1f},{y(point.value):.1f}" for at, point in places)
    group.append(node("polyline", {"class": "thin", "points": path}))
    for at, point in places:
        if math.isfinite(point.low) and math.isfinite(point.high):
            group.append(stroke("range", at, y(point.low), at, y(point.high)))
        group.append(_mark(curve.colour, at, y(point.value)))
    return group


def _legend(curve: Curve, place: int) -> list[Element]:
    left = 10 + (place % 2) * (_LEGEND_WIDTH + 20)
    middle = 10 + _LEGEND_HEIGHT * (place // 2)
    key = node("g", {"class": f"curve c{curve.colour % NUM_COLOURS}"})
    key.append(_mark(curve.colour, left, middle))
    return [key, words(curve.label, left + 10, middle + 4, "start")]


def _mark(colour: int, x: float, y: float) -> Element:
    """A circle, square, diamond, or a triangle on its side or its tip."""
    outlines = (
        (),
        ((-3.6, -3.6), (3.6, -3.6), (3.6, 3.6), (-3.6, 3.6)),
        ((0, -5), (5, 0), (0, 5), (-5, 0)),
        ((0, -5), (4.6, 3.6), (-4.6, 3.6)),
        ((0, 5), (4.6, -3.6), (-4.6, -3.6)),
    )
    outline = outlines[colour % NUM_COLOURS]
    if not outline:
        return node("circle", {"class": "point", "cx": x, "cy": y, "r": 4})
    points = " ".join(f"{x + a:.1f},{y + b:.1f}" for a, b in outline)
    return node("polygon", {"class": "point", "points": points})
