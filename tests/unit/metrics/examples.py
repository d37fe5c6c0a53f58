"""Small random rows with ties and whole weights, for the properties of metrics."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


class Example(NamedTuple):
    predictions: FloatArray
    targets: FloatArray
    weights: FloatArray
    groups: NDArray[np.int64]


@st.composite
def binary_rows(draw: st.DrawFn, *, max_size: int = 40) -> Example:
    """Both classes, scores of one decimal (many ties), weights 0 to 3, up to 5 groups."""
    n = draw(st.integers(4, max_size))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    targets = generator.integers(0, 2, n).astype(np.float64)
    targets[:2] = [0.0, 1.0]
    weights = generator.integers(0, 4, n).astype(np.float64)
    weights[:2] = [1.0, 2.0]
    predictions = generator.integers(0, draw(st.sampled_from([2, 11, 101])), n) / 101
    return Example(predictions, targets, weights, generator.integers(0, 5, n))


@st.composite
def number_rows(draw: st.DrawFn, *, max_size: int = 40) -> Example:
    """Targets 0 to 6 of which at least two differ, positive predictions with ties."""
    n = draw(st.integers(4, max_size))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    targets = generator.integers(0, draw(st.sampled_from([2, 4, 7])), n).astype(np.float64)
    targets[:2] = [0.0, 1.0]
    weights = generator.integers(0, 4, n).astype(np.float64)
    weights[:2] = [1.0, 2.0]
    predictions = generator.integers(1, 12, n) / 2
    return Example(predictions, targets, weights, generator.integers(0, 5, n))


def duplicated(example: Example) -> Example:
    """Every row as often as its weight says, with weight 1."""
    times = example.weights.astype(np.int64)
    predictions = np.repeat(example.predictions, times).astype(np.float64)
    targets = np.repeat(example.targets, times).astype(np.float64)
    groups = np.repeat(example.groups, times).astype(np.int64)
    return Example(predictions, targets, np.ones(len(targets)), groups)
