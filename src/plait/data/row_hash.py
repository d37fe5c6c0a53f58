"""A uniform number for each row that depends on nothing but the row's number and a seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["uniform"]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


def uniform(rows: NDArray[np.uint64], *, seed: int) -> NDArray[np.float64]:
    """Numbers in [0, 1), one for each row number; the same on every machine and version.

    The finaliser of SplitMix64 (Steele et al., `Fast Splittable Pseudorandom Number Generators
    <https://doi.org/10.1145/2714064.2660195>`_, 2014), so that any rows can be drawn in any
    order, in parts, and without holding state.

    Example:
        >>> uniform(np.arange(3, dtype=np.uint64), seed=0).round(3).tolist()
        [0.883, 0.432, 0.026]
    """
    with np.errstate(over="ignore"):
        start = _mixed(np.asarray([seed % 2**64], dtype=np.uint64))
        mixed = _mixed(start + (rows + np.uint64(1)) * _GOLDEN)
    return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mixed(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    words = (words ^ (words >> np.uint64(30))) * _FIRST
    words = (words ^ (words >> np.uint64(27))) * _SECOND
    return words ^ (words >> np.uint64(31))
