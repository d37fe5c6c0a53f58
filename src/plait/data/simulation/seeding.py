"""Generators that one seed gives to the parts of a simulation."""

from __future__ import annotations

import numpy as np

from plait.errors import ConfigurationError

__all__ = ["check_rows", "generator_of"]


def generator_of(seed: int, *stream: int) -> np.random.Generator:
    """A generator for one stream of a seed; streams do not overlap.

    Raises:
        ConfigurationError: a negative seed.
    """
    if seed < 0:
        raise ConfigurationError(f"`seed` must be a whole number from 0, got {seed}.")
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=stream))


def check_rows(rows: int) -> int:
    """The number of rows asked for.

    Raises:
        ConfigurationError: it is below 1.
    """
    if rows < 1:
        raise ConfigurationError(f"`rows` must be at least 1, got {rows}.")
    return rows
