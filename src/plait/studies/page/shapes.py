"""The strokes and letters that charts are made of."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from .nodes import node

__all__ = ["LEFT", "WIDTH", "range_of", "stroke", "svg", "words"]

WIDTH = 360.0
"""Of every drawing, in the units of its box: about a phone's, so that letters keep their size."""
LEFT = 58.0
"""Where the plane of a chart with a vertical axis begins."""


def svg(height: float, title: str) -> Element:
    """An empty drawing; the title is for who does not see it."""
    return node(
        "svg",
        {"viewBox": f"0 0 {WIDTH:.0f} {height:.0f}", "role": "img", "aria-label": title},
        node("title", None, title),
    )


def range_of(values: Sequence[float], *, margin: float = 0.06) -> tuple[float, float]:
    """What an axis runs over, so that all values lie inside."""
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    least = max(0.01 * max(abs(low), abs(high)), 1e-9)
    if high - low < least:  # so that a line that hardly moves is drawn flat
        return (low + high - least) / 2, (low + high + least) / 2
    return low - margin * (high - low), high + margin * (high - low)


def stroke(kind: str, x1: float, y1: float, x2: float, y2: float) -> Element:
    """A straight line."""
    return node("line", {"class": kind, "x1": x1, "y1": y1, "x2": x2, "y2": y2})


def words(text: str, x: float, y: float, anchor: str) -> Element:
    """Letters at a place."""
    return node("text", {"x": x, "y": y, "text-anchor": anchor}, text)
