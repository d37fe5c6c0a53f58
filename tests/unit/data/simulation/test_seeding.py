from __future__ import annotations

import numpy as np
import pytest

from plait.data.simulation import FeedWorld, MMoETasks, SemiSupervisedWorld, simulate
from plait.data.simulation.seeding import generator_of
from plait.errors import ConfigurationError


def test_streams_of_a_seed_differ_and_can_be_had_again() -> None:
    draws = [generator_of(*key).random(4) for key in ((0, 0), (0, 1), (1, 0), (0, 1, 0), (0, 1, 1))]
    assert len({draw.tobytes() for draw in draws}) == len(draws)
    assert np.array_equal(generator_of(0, 1).random(4), draws[1])


def test_a_negative_seed_is_refused_everywhere() -> None:
    said = "`seed` must be a whole number from 0, got -1"
    for made in (FeedWorld, MMoETasks, SemiSupervisedWorld):
        with pytest.raises(ConfigurationError, match=said):
            made(seed=-1)
    with pytest.raises(ConfigurationError, match=said):
        simulate(5, seed=-1)
