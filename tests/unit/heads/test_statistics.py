from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from plait.heads.statistics import (
    equal_mass_edges,
    inner_rate,
    mean_and_spread,
    weighted_quantiles,
)

values_and_counts = st.integers(1, 30).flatmap(
    lambda size: st.tuples(
        hnp.arrays(np.float64, size, elements=st.integers(-5, 5).map(float)),
        hnp.arrays(np.int64, size, elements=st.integers(1, 4)),
    )
)


@given(values_and_counts)
def test_weighted_quantiles_are_those_of_repeated_values(
    drawn: tuple[np.ndarray, np.ndarray],
) -> None:
    values, counts = drawn
    repeated = np.sort(np.repeat(values, counts))
    expected = [repeated[max(math.ceil(tenth * repeated.size / 10) - 1, 0)] for tenth in range(11)]
    got = weighted_quantiles(values, counts.astype(np.float64), np.linspace(0.0, 1.0, 11))
    np.testing.assert_array_equal(got, expected)


def test_values_without_weight_are_no_quantile() -> None:
    got = weighted_quantiles(np.array([1.0, 9.0]), np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    np.testing.assert_array_equal(got, [1.0, 1.0])


def test_values_that_do_not_vary_have_spread_one() -> None:
    assert mean_and_spread(np.full(7, 0.1), np.ones(7))[1] == 1.0
    assert mean_and_spread(np.zeros(7), np.ones(7)) == (0.0, 1.0)


def test_tiny_values_keep_their_spread() -> None:
    assert mean_and_spread(np.array([1e-9, 3e-9]), np.ones(2))[1] == pytest.approx(1e-9)


def test_rates_keep_a_margin_that_shrinks_with_the_rows() -> None:
    np.testing.assert_allclose(inner_rate(np.array([0.0, 0.4, 1.0]), 8), [0.1, 0.4, 0.9])


@pytest.mark.parametrize("first", [1, 40, 60, 99])
def test_two_values_make_two_groups_however_unequal(first: int) -> None:
    values = np.array([5.0] * first + [9.0] * (100 - first))
    assert equal_mass_edges(values, np.ones(100), 2).tolist() == [5.0]


def test_edges_without_ties_cut_the_weight_evenly() -> None:
    values = np.arange(12.0)
    assert equal_mass_edges(values, np.ones(12), 4).tolist() == [2.0, 5.0, 8.0]
    heavy_first = np.array([6.0] + [1.0] * 6)
    assert equal_mass_edges(np.arange(7.0), heavy_first, 2).tolist() == [0.0]
