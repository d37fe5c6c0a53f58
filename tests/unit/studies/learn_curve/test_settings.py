"""Settings of a learning curve: sorted, completed, and refused where they are out of range."""

from __future__ import annotations

from typing import Any

import pytest

from plait.errors import ConfigurationError, UnknownNameError
from plait.studies.learn_curve import FAMILIES, CurveSettings


def test_the_defaults_are_those_of_the_page() -> None:
    settings = CurveSettings()
    assert settings.shares == (0.01, 0.05, 0.1, 0.25, 1.0)
    assert settings.flips == (0.0, 0.2)
    assert settings.families == tuple(FAMILIES)
    assert (settings.seeds, settings.on, settings.task) == (3, "valid", None)


def test_numbers_are_sorted_and_supervised_is_always_there() -> None:
    settings = CurveSettings(shares=[1, 0.1, 0.1], flips=(0.2, 0), families=("hybrid", "joint"))
    assert settings.shares == (0.1, 1)
    assert settings.flips == (0, 0.2)
    assert settings.families == ("supervised", "joint", "hybrid")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"shares": (0.0,)}, "`shares` must be above 0 and at most 1, got 0."),
        ({"shares": (5,)}, r"at most 1, got 5 \(for 5 % write 0.05\)"),
        ({"shares": (float("nan"),)}, "at most 1, got nan"),
        ({"shares": ()}, "`shares` names none; give at least one"),
        ({"flips": (0.6,)}, r"`flips` must lie in \[0, 0.5\], got 0.6"),
        ({"flips": (20,)}, r"got 20 \(for 20 % write 0.2\)"),
        ({"seeds": 0}, "`seeds` must be at least 1, got 0"),
        ({"on": "train"}, "`on` is 'valid' or 'test', got 'train'"),
    ],
)
def test_what_is_out_of_range_is_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        CurveSettings(**wrong)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(ConfigurationError, match=r"`shares`.*; `flips`.*; `seeds`"):
        CurveSettings(shares=(2,), flips=(-1,), seeds=-1)


def test_an_unknown_way_to_learn_is_named_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"way to learn 'hybrd'\. Did you mean 'hybrid'"):
        CurveSettings(families=("hybrd",))  # type: ignore[arg-type] # what a command may bring
