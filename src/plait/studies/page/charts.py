"""Charts as inline SVG: small, without a script, in the colours of the page's style sheet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple
from xml.etree.ElementTree import Element

from .nodes import node
from .numbers import short
from .shapes import LEFT, WIDTH, range_of, stroke, svg, words

__all__ = ["Bar", "Scale", "Series", "calibration_chart", "forest_chart", "line_chart", "ticks"]


class Scale(NamedTuple):
    """From values to places on the page, linearly.

    Example:
        >>> Scale(0.0, 10.0, 100.0, 200.0)(5.0)
        150.0
    """

    low: float
    high: float
    first: float
    last: float

    def __call__(self, value: float) -> float:
        """The place of a value."""
        share = (value - self.low) / (self.high - self.low)
        return self.first + share * (self.last - self.first)


class Bar(NamedTuple):
    """One line of a forest chart: a value and its interval; `is_model` marks the model's own."""

    label: str
    value: float
    low: float
    high: float
    is_model: bool


class Series(NamedTuple):
    """Points of one line, left to right."""

    points: Sequence[tuple[float, float]]
    colour: int = 0


def ticks(low: float, high: float, *, most: int = 4) -> list[float]:
    """Round numbers within a range: steps of 1, 2 or 5 times a power of ten.

    Example:
        >>> ticks(0.0, 1.0)
        [0.0, 0.5, 1.0]
        >>> ticks(0.48, 0.61)
        [0.5, 0.55, 0.6]
    """
    span = high - low
    power = 10.0 ** math.floor(math.log10(span / most))
    step = next(power * size for size in (1, 2, 5, 10) if span / (power * size) < most)
    first = math.ceil(low / step - 1e-9)
    places = range(first, math.floor(high / step + 1e-9) + 1)
    return [round(place * step, 12) for place in places]


def forest_chart(bars: Sequence[Bar], *, title: str, axis: str) -> Element:
    """Values with their intervals, one below another, on one axis."""
    known = [number for bar in bars for number in bar[1:4] if math.isfinite(number)]
    low, high = range_of(known)
    x = Scale(low, high, 132.0, WIDTH - 16)
    bottom = 10.0 + 26 * len(bars)
    drawing = svg(bottom + 38, title)
    _x_axis(drawing, x, axis, bottom)
    for place, bar in enumerate(bars):
        drawing.append(_forest_line(bar, x, y=23.0 + 26 * place))
    return drawing


def line_chart(
    series: Sequence[Series], *, title: str, axes: tuple[str, str], mark: float | None = None
) -> Element:
    """Lines over steps or epochs; `mark` is the x of the state that was kept."""
    xs = [x for line in series for x, _ in line.points]
    ys = [y for line in series for _, y in line.points if math.isfinite(y)]
    x = Scale(*range_of(xs, margin=0.02), LEFT, WIDTH - 14)
    y = Scale(*range_of(ys), 150.0, 24.0)
    drawing = svg(188, title)
    _x_axis(drawing, x, axes[0], 150.0)
    _y_axis(drawing, y, axes[1], x.last)
    if mark is not None:
        drawing.append(stroke("mark", x(mark), 24, x(mark), 150))
    for line in series:
        places = [(x(a), y(b)) for a, b in line.points if math.isfinite(b)]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
        drawing.append(node("polyline", {"class": f"line c{line.colour}", "points": path}))
        drawing.extend(_dot(f"dot c{line.colour}", a, b, 2.6) for a, b in places)
    return drawing


def calibration_chart(points: Sequence[tuple[float, float, float]], *, title: str) -> Element:
    """Promised against actual, and half the interval of the latter; on the dashed line both agree.

    Both axes run over the same numbers, so that the dashed line is the diagonal.
    """
    ends = [(a, b - error, b + error) for a, b, error in points]
    low, high = range_of([number for end in ends for number in end])
    x, y = Scale(low, high, LEFT, WIDTH - 14), Scale(low, high, 250.0, 24.0)
    drawing = svg(288, title)
    _x_axis(drawing, x, "mean prediction", 250.0)
    _y_axis(drawing, y, "mean label", x.last)
    drawing.append(stroke("mark", x(low), y(low), x(high), y(high)))
    drawing.extend(stroke("bar", x(a), y(b - e), x(a), y(b + e)) for a, b, e in points)
    places = [(x(a), y(b)) for a, b, _ in points]
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
    drawing.append(node("polyline", {"class": "line c0", "points": path}))
    drawing.extend(_dot("dot c0", a, b, 4) for a, b in places)
    return drawing


def _x_axis(drawing: Element, x: Scale, label: str, bottom: float) -> None:
    drawing.append(stroke("axis", x.first, bottom, x.last, bottom))
    for tick in ticks(x.low, x.high):
        drawing.append(stroke("grid", x(tick), 8, x(tick), bottom))
        drawing.append(words(short(tick), x(tick), bottom + 15, "middle"))
    drawing.append(words(label, (x.first + x.last) / 2, bottom + 32, "middle"))


def _y_axis(drawing: Element, y: Scale, label: str, right: float) -> None:
    for tick in ticks(y.low, y.high):
        drawing.append(stroke("grid", LEFT, y(tick), right, y(tick)))
        drawing.append(words(short(tick), LEFT - 6, y(tick) + 4, "end"))
    drawing.append(words(label, 4, 13, "start"))


def _forest_line(bar: Bar, x: Scale, *, y: float) -> Element:
    kind = "model" if bar.is_model else "other"
    group = node("g", {"class": kind}, words(_cut(bar.label), 124, y + 4, "end"))
    if math.isfinite(bar.low) and math.isfinite(bar.high):
        group.append(stroke("whisker", x(bar.low), y, x(bar.high), y))
    if math.isfinite(bar.value):
        group.append(_dot("point", x(bar.value), y, 5))
    return group


def _cut(label: str) -> str:
    return label if len(label) <= 20 else f"{label[:19]}…"


def _dot(kind: str, x: float, y: float, radius: float) -> Element:
    return node("circle", {"class": kind, "cx": x, "cy": y, "r": radius})
