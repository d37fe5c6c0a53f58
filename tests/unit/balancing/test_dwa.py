"""Dynamic weight average over windows, by hand."""

from __future__ import annotations

import math

import pytest

from plait.balancing import DWA
from plait.errors import ConfigurationError


def test_weights_follow_the_last_two_windows() -> None:
    rule = DWA(temperature=2.0, window=2)
    # Means of windows: a: 4, 2; b: 1, 1. Ratios 0.5 and 1.
    steps = [(5.0, 1.0), (3.0, 1.0), (2.0, 0.5), (2.0, 1.5)]
    for a, b in steps:
        assert rule.weigh({"a": a, "b": b}) == {"a": 1.0, "b": 1.0}
    parts = math.exp(0.5 / 2), math.exp(1 / 2)
    expected = {"a": 2 * parts[0] / sum(parts), "b": 2 * parts[1] / sum(parts)}
    assert rule.weigh({"a": 9.0, "b": 9.0}) == pytest.approx(expected, abs=1e-12)
    assert rule.weigh({"b": 9.0}) == {"b": 1.0}


def test_a_task_that_a_window_never_saw_keeps_its_means() -> None:
    rule = DWA(window=1)
    for a in (4.0, 2.0):
        rule.weigh({"a": a, "b": 1.0})
    rule.weigh({"b": 1.0})
    parts = math.exp(0.5 / 2), math.exp(1 / 2)
    weights = rule.weigh({"a": 1.0, "b": 1.0})
    assert weights["a"] == pytest.approx(2 * parts[0] / sum(parts), abs=1e-12)


def test_a_task_joins_when_it_has_two_windows() -> None:
    rule = DWA(window=1)
    for _ in range(2):
        rule.weigh({"a": 1.0})
    assert rule.weigh({"a": 1.0, "b": 1.0}) == {"a": 1.0, "b": 1.0}


def test_a_window_whose_mean_is_zero_counts_as_no_change() -> None:
    rule = DWA(window=1)
    for _ in range(2):
        rule.weigh({"a": 0.0, "b": 1.0})
    assert rule.weigh({"a": 0.0, "b": 1.0}) == {"a": 1.0, "b": 1.0}


def test_settings_must_be_positive() -> None:
    with pytest.raises(ConfigurationError, match=r"DWA: `window` must be above 0, got 0\."):
        DWA(window=0)
    with pytest.raises(ConfigurationError, match=r"DWA: `temperature` must be above 0, got -1\."):
        DWA(temperature=-1)
