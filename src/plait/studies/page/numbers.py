"""Numbers and names as a reader wants them: as many digits as mean something."""

from __future__ import annotations

import math
from collections.abc import Sequence

from plait.metrics import Estimate

__all__ = [
    "count",
    "estimate_text",
    "interval_text",
    "joined",
    "number",
    "percent",
    "short",
    "signed",
]


def number(value: float) -> str:
    """A metric with four digits or so; a dash where there is none.

    Example:
        >>> number(0.73125), number(12.34567), number(345678.9), number(float("nan"))
        ('0.731', '12.35', '345,679', '–')
    """
    size = abs(value)
    if math.isnan(value):
        return "–"
    sign = "−" if value < 0 else ""
    if size >= 1000:
        return f"{sign}{size:,.0f}"
    if size >= 10:
        return f"{sign}{size:.2f}"
    return sign + (f"{size:.3f}" if size >= 0.01 or size == 0 else f"{size:.2g}")


def short(value: float) -> str:
    """A tick of an axis.

    Example:
        >>> short(0.5), short(20000.0), short(0.0)
        ('0.5', '20,000', '0')
    """
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"
    return text.replace("-", "−", 1) if value < 0 else text


def signed(value: float) -> str:
    """A difference, with its sign.

    Example:
        >>> signed(0.012), signed(-3.0)
        ('+0.012', '−3.000')
    """
    text = number(abs(value))
    return text if text == "–" else ("−" if value < 0 else "+") + text


def interval_text(estimate: Estimate) -> str:
    """`0.70 to 0.76`, or why there is no interval."""
    if math.isnan(estimate.low):
        return "no interval"
    return f"{number(estimate.low)} to {number(estimate.high)}"


def estimate_text(estimate: Estimate) -> str:
    """A value with its interval, or a dash."""
    if math.isnan(estimate.value):
        return "–"
    return f"{number(estimate.value)} ({interval_text(estimate)})"


def percent(share: float) -> str:
    r"""A share in per cent; the sign never begins a line.

    Example:
        >>> percent(0.123), percent(0.004)
        ('12\xa0%', '0.4\xa0%')
    """
    if math.isnan(share):
        return "–"
    hundredths = 100 * share
    digits = f"{hundredths:.0f}" if abs(hundredths) >= 1 or share == 0 else f"{hundredths:.1g}"
    return f"{digits}\N{NO-BREAK SPACE}%"


def count(rows: int | None) -> str:
    """A number of rows; empty where the notion does not apply."""
    return "" if rows is None else f"{rows:,}"


def joined(names: Sequence[str], *, last: str = "and") -> str:
    """Names in a sentence.

    Example:
        >>> joined(["click", "like", "buy"])
        'click, like and buy'
    """
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {last} {names[-1]}"
