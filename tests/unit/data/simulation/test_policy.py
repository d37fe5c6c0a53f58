from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import chisquare

from plait.data.simulation.policy import choose, draw_candidates

SCORES = np.array([1.0, 0.0, -0.5, 2.0])


def _chance_of(slate: tuple[int, ...]) -> float:
    """A softmax over what is left, one place after another."""
    left, chance = set(range(len(SCORES))), 1.0
    for item in slate:
        chance *= np.exp(SCORES[item]) / sum(np.exp(SCORES[other]) for other in left)
        left.remove(item)
    return float(chance)


def test_slates_come_as_often_as_the_softmax_says() -> None:
    rows = 40_000
    scores = np.tile(SCORES, (rows, 1))
    found = choose(scores, size=2, generator=np.random.default_rng(0)).places
    slates = list(itertools.permutations(range(4), 2))
    counts = [int(((found[:, 0] == a) & (found[:, 1] == b)).sum()) for a, b in slates]
    expected = [rows * _chance_of(slate) for slate in slates]
    assert chisquare(counts, expected).pvalue > 1e-3


def test_propensities_multiply_to_the_chance_of_the_slate() -> None:
    found = choose(np.tile(SCORES, (50, 1)), size=3, generator=np.random.default_rng(1))
    for places, propensities in zip(found.places, found.propensities, strict=True):
        assert np.prod(propensities) == pytest.approx(_chance_of(tuple(places.tolist())))
    softmax = np.exp(SCORES) / np.exp(SCORES).sum()
    assert np.allclose(found.probabilities, softmax)


def test_steep_scores_neither_overflow_nor_give_nan() -> None:
    scores = np.array([[0.0, 5_000.0, -5_000.0]])
    found = choose(scores, size=3, generator=np.random.default_rng(0))
    assert found.places.tolist() == [[1, 0, 2]]
    assert np.allclose(found.propensities, 1)


@pytest.mark.parametrize(("candidates", "items"), [(20, 20), (20, 47), (1, 3), (7, 1000)])
def test_candidates_differ_and_reach_every_item(candidates: int, items: int) -> None:
    found = draw_candidates(
        20_000, candidates=candidates, items=items, generator=np.random.default_rng(0)
    )
    assert (np.diff(found, axis=1) > 0).all()
    assert np.unique(found).tolist() == list(range(items))
