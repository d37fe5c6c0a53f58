"""Numbers for readers."""

from __future__ import annotations

import math

import pytest

from plait.metrics import Estimate
from plait.studies.page.numbers import (
    count,
    estimate_text,
    interval_text,
    joined,
    number,
    percent,
    short,
    signed,
)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "0.000"), (-0.5, "−0.500"), (1e-5, "1e-05"), (-1234.5, "−1,234"), (99.123, "99.12")],
)
def test_a_number_has_few_digits(value: float, shown: str) -> None:
    assert number(value) == shown


def test_what_is_unknown_is_a_dash() -> None:
    nothing = Estimate(math.nan)
    assert number(math.nan) == percent(math.nan) == signed(math.nan) == "–"
    assert estimate_text(nothing) == "–"
    assert interval_text(nothing) == "no interval"
    assert count(None) == ""


def test_an_estimate_shows_its_interval() -> None:
    assert estimate_text(Estimate(0.5, low=0.25, high=0.75)) == "0.500 (0.250 to 0.750)"


def test_ticks_keep_their_sign() -> None:
    assert short(-0.5) == "−0.5"
    assert short(-2000) == "−2,000"


def test_names_are_joined_as_in_a_sentence() -> None:
    assert joined([]) == ""
    assert joined(["a"]) == "a"
    assert joined(["a", "b"], last="or") == "a or b"
