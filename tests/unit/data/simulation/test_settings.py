from __future__ import annotations

import math
from typing import Any

import pytest

from plait.data.simulation import FeedSettings
from plait.errors import ConfigurationError


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"users": 0}, "`users` must be a whole number from 1, got 0"),
        ({"items": 20.5}, "`items` must be a whole number from 1, got 20.5"),
        ({"history_length": -1}, "`history_length` must be a whole number from 0, got -1"),
        ({"click_rate": 0.0}, "`click_rate` must lie between 0 and 1, got 0.0"),
        ({"survey_rate": 1}, "`survey_rate` must lie between 0 and 1, got 1"),
        ({"purchase_rate": 1.5}, "`purchase_rate` must lie in [0, 1], got 1.5"),
        ({"signal": -1.0}, "`signal` must be finite and at least 0, got -1.0"),
        ({"feature_signal": 1.2}, "`feature_signal` must lie in [0, 1], got 1.2"),
        ({"relatedness": -1.5}, "`relatedness` must lie in [-1, 1], got -1.5"),
        ({"selection": math.inf}, "`selection` must be finite, got inf"),
        ({"hidden_selection": math.nan}, "`hidden_selection` must be finite, got nan"),
        ({"position_bias": 11.0}, "`position_bias` must lie in [0, 10], got 11.0"),
        ({"label_noise": 0.6}, "`label_noise` must lie in [0, 0.5], got 0.6"),
        ({"delay": math.inf}, "`delay` must be finite and at least 0, got inf"),
        ({"drift": -0.1}, "`drift` must be finite and at least 0, got -0.1"),
        ({"policy_strength": math.nan}, "`policy_strength` must be finite, got nan"),
        ({"slate_size": 30}, "`candidates` (20) must be at least `slate_size` (30)"),
        ({"items": 19}, "`items` (19) must be at least `candidates` (20)"),
    ],
)
def test_a_dial_out_of_range_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        FeedSettings(**settings)
    assert said in str(caught.value)


def test_one_message_holds_every_problem() -> None:
    with pytest.raises(ConfigurationError) as caught:
        FeedSettings(users=0, drift=-1.0, label_noise=0.9)
    message = str(caught.value)
    assert all(f"`{name}`" in message for name in ("users", "drift", "label_noise"))


def test_dials_may_be_whole_numbers() -> None:
    assert FeedSettings(delay=3, hidden_selection=-2).delay == 3
