from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tests.unit.data.simulation.sampling import fit

from plait.data.simulation import MMoESettings, MMoETasks
from plait.errors import ConfigurationError

SETTINGS = MMoESettings(features=20)


@pytest.mark.parametrize("relatedness", [-1.0, -0.3, 0.0, 0.5, 1.0])
def test_relatedness_is_the_cosine_of_the_weights(relatedness: float) -> None:
    tasks = MMoETasks(replace(SETTINGS, relatedness=relatedness, scale=0.3), seed=2)
    first, second = tasks.weights
    assert np.linalg.norm(first) == pytest.approx(0.3)
    assert np.linalg.norm(second) == pytest.approx(0.3)
    assert first @ second / 0.09 == pytest.approx(relatedness)


def test_labels_are_the_papers_formula() -> None:
    tasks = MMoETasks(SETTINGS, seed=3)
    sample = tasks.draw(4, seed=1)
    for row, features in enumerate(sample.features):
        for task, weights in enumerate(tasks.weights):
            total = sum(w * x for w, x in zip(weights, features, strict=True))
            label = total
            for alpha, beta in zip(tasks._frequencies, tasks._phases, strict=True):
                label += np.sin(alpha * total + beta)
            assert sample.means[row, task] == pytest.approx(label)


def test_the_noise_has_the_papers_variance() -> None:
    sample = MMoETasks(SETTINGS).draw(100_000)
    noise = (sample.targets - sample.means) / 0.1
    assert np.allclose(noise.mean(axis=0), 0, atol=0.02)
    assert np.allclose(noise.var(axis=0), 1, atol=0.02)
    assert np.corrcoef(noise.T)[0, 1] == pytest.approx(0, abs=0.02)


def test_labels_of_related_tasks_correlate_more() -> None:
    correlations = []
    for relatedness in (0.0, 0.5, 0.9, 1.0):
        sample = MMoETasks(replace(SETTINGS, relatedness=relatedness), seed=0).draw(20_000)
        correlations.append(np.corrcoef(sample.targets.T)[0, 1])
    assert correlations == sorted(correlations)
    assert correlations[0] == pytest.approx(0, abs=0.05)
    assert correlations[-1] > 0.95


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.3, 0.5, 0.9])
def test_a_threshold_is_exceeded_at_its_rate_by_both_tasks(rate: float) -> None:
    tasks = MMoETasks(SETTINGS, seed=5)
    targets = tasks.draw(200_000, seed=0).targets
    exceeded = (targets > tasks.threshold(rate)).mean(axis=0)
    assert np.abs(exceeded - rate).max() < 5 * np.sqrt(rate * (1 - rate) / 200_000)


@pytest.mark.parametrize(
    "settings",
    [
        SETTINGS,
        replace(SETTINGS, gate_strength=0.0),
        replace(SETTINGS, gate_strength=3.0, gate_relatedness=0.9),
        replace(SETTINGS, gate_relatedness=-0.8, click_rate=0.4),
        replace(SETTINGS, rates=(0.6, 0.2), noise=1.0, sines=0),
    ],
)
def test_the_funnels_rates_equal_the_stated_chances(settings: MMoESettings) -> None:
    funnel = MMoETasks(settings, seed=1).draw_funnel(60_000, seed=1)
    rows = pl.concat([funnel.frame, funnel.truth], how="horizontal")
    assert fit(rows["first"], rows["p_first"]).holds
    assert fit(rows["second"], rows["p_second"]).holds
    assert fit(rows["click"], rows["p_click"]).holds
    assert fit(rows["conversion"], rows["p_conversion"]).holds
    clicked, unclicked = rows.filter(pl.col("click") == 1), rows.filter(pl.col("click") == 0)
    assert fit(clicked["conversion"], clicked["p_conversion_if_clicked"]).holds
    assert fit(unclicked["first"], unclicked["p_conversion_if_clicked"]).holds
    for name, rate in zip(("first", "second"), settings.rates, strict=True):
        assert abs(rows[name].mean() - rate) < 5 * np.sqrt(rate * (1 - rate) / 60_000)
    assert rows["p_click"].mean() == pytest.approx(settings.click_rate, abs=0.01)


def test_a_gate_like_the_first_task_selects_its_positives() -> None:
    def lift(cosine: float) -> float:
        settings = replace(SETTINGS, gate_relatedness=cosine, gate_strength=2.0, sines=0)
        truth = MMoETasks(settings, seed=1).draw_funnel(20_000).truth
        after = np.average(truth["p_conversion_if_clicked"], weights=truth["p_click"])
        return float(after / truth["p_conversion_if_clicked"].mean())

    assert lift(0.0) == pytest.approx(1, abs=0.05)
    assert lift(0.9) > 1.5
    assert lift(-0.9) < 0.5


def test_one_seed_gives_the_same_bits() -> None:
    first, second = (MMoETasks(SETTINGS, seed=4).draw_funnel(100, seed=7) for _ in range(2))
    assert_frame_equal(first.frame, second.frame, check_exact=True)
    other = MMoETasks(SETTINGS, seed=4).draw(100, seed=8)
    assert not np.array_equal(
        MMoETasks(SETTINGS, seed=4).draw(100, seed=7).features, other.features
    )


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"features": 2}, "`features` must be at least 3, got 2"),
        ({"sines": -1}, "`sines` must not be negative, got -1"),
        ({"relatedness": 1.1}, "`relatedness` is a cosine in [-1, 1], got 1.1"),
        ({"gate_relatedness": -2.0}, "`gate_relatedness` is a cosine in [-1, 1], got -2.0"),
        ({"scale": 0.0}, "`scale` must be positive and finite, got 0.0"),
        ({"noise": 0.0}, "`noise` must be positive and finite, got 0.0"),
        ({"gate_strength": -1.0}, "`gate_strength` must be finite and at least 0, got -1.0"),
        ({"rates": (0.5, 0.0)}, "`rates` must be two numbers between 0 and 1, got (0.5, 0.0)"),
        ({"rates": (0.5,)}, "`rates` must be two numbers between 0 and 1, got (0.5,)"),
        ({"click_rate": 1.0}, "`click_rate` must lie between 0 and 1, got 1.0"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        MMoESettings(**settings)
    assert said in str(caught.value)


def test_at_least_one_row_must_be_asked_for() -> None:
    for draw in (MMoETasks(SETTINGS).draw, MMoETasks(SETTINGS).draw_funnel):
        with pytest.raises(ConfigurationError, match="`rows` must be at least 1, got 0"):
            draw(0)
