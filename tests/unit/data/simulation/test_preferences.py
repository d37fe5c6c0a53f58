from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from plait.data.simulation import FeedSettings
from plait.data.simulation.preferences import LATER_TASKS, Preferences

SETTINGS = FeedSettings(users=1_500, items=1_500, feature_signal=0.0)


def _preferences(settings: FeedSettings) -> Preferences:
    return Preferences(settings, np.random.default_rng(0))


def _every_pair(preferences: Preferences, users: int, items: int) -> dict[str, NDArray[np.float64]]:
    return preferences.of_all(np.arange(users)[:, None], np.arange(items)[None, :])


@pytest.mark.parametrize("relatedness", [-1.0, -0.5, 0.0, 0.3, 0.9, 1.0])
def test_relatedness_is_the_correlation_with_clicks(relatedness: float) -> None:
    made = _preferences(replace(SETTINGS, relatedness=relatedness))
    found = _every_pair(made, 1_500, 1_500)
    for task in LATER_TASKS:
        correlation = np.corrcoef(found["click"].ravel(), found[task].ravel())[0, 1]
        assert correlation == pytest.approx(relatedness, abs=0.06), task


def test_every_preference_has_mean_zero_and_variance_one() -> None:
    for task, values in _every_pair(_preferences(SETTINGS), 1_500, 1_500).items():
        assert values.mean() == pytest.approx(0, abs=0.06), task
        assert values.var() == pytest.approx(1, abs=0.1), task


def test_a_preference_is_a_match_an_appeal_and_a_mood() -> None:
    made = _preferences(SETTINGS)
    taste = made._tastes["click"]
    person, thing = taste.users[3], taste.items[5]
    by_hand = (person[:8] @ thing[:8] / np.sqrt(8) + person[8] + thing[8]) / np.sqrt(3)
    assert made.of_click(np.array([3]), np.array([5]))[0] == pytest.approx(by_hand)


def test_where_features_tell_all_users_of_a_segment_are_alike() -> None:
    settings = replace(SETTINGS, feature_signal=1.0, segments=5, categories=4)
    made = _preferences(settings)
    found = _every_pair(made, 1_500, 1_500)["purchase"]
    groups = made.segments[:, None] * 4 + made.categories[None, :]
    for group in range(20):
        assert np.ptp(found[groups == group]) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("share", [0.0, 0.4, 0.8])
def test_feature_signal_is_the_share_of_variance_between_groups(share: float) -> None:
    settings = replace(SETTINGS, feature_signal=share, segments=400, users=12_000)
    made = _preferences(settings)
    mood = made._tastes["click"].users[:, 8]
    sizes = np.bincount(made.segments, minlength=400)
    means = np.bincount(made.segments, weights=mood, minlength=400) / sizes
    within = (mood - means[made.segments]) ** 2
    assert within.sum() / (12_000 - 400) == pytest.approx(1 - share, abs=0.05)
