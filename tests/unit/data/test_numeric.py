"""Counts of numbers in bounded memory, and the three readings of a number."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import ndtri

from plait.data import numeric as module
from plait.data.numeric import NumberCounts, NumberScale

Floats = NDArray[np.float64]


def counted(*chunks: Floats) -> NumberCounts:
    counts = NumberCounts()
    for chunk in chunks:
        counts.add(np.asarray(chunk, dtype=np.float64))
    return counts


def fitted(numbers: Floats, *, num_pieces: int = 24, num_bins: int = 64) -> NumberScale:
    return NumberScale.fit(counted(numbers), num_pieces=num_pieces, num_bins=num_bins)


def test_numbers_are_counted_exactly_and_in_order() -> None:
    counts = counted(np.array([3.0, -1.5, 0.0]), np.array([-0.0, 3.0, -1e300]))
    assert counts.values().tolist() == [-1e300, -1.5, 0.0, 3.0]
    assert counts.counts.tolist() == [1, 1, 2, 2]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.integers(-2000, 2000), max_size=30), max_size=5))
def test_with_dropped_bits_the_counts_still_do_not_depend_on_chunks(
    chunks: list[list[int]],
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MAX_DISTINCT", 32)
        parts = [counted(np.array(chunk, dtype=np.float64)) for chunk in chunks]
        merged = NumberCounts()
        for part in reversed(parts):
            merged.merge(part)
        everything = np.array([number for chunk in chunks for number in chunk], dtype=np.float64)
        whole = counted(everything)
    assert merged.dropped_bits == whole.dropped_bits
    assert merged.values().tolist() == whole.values().tolist()
    assert merged.counts.tolist() == whole.counts.tolist()
    assert len(whole.counts) <= 32
    assert whole.counts.sum() == len(everything)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=60),
    st.integers(2, 12),
)
def test_as_few_bits_are_dropped_as_can_be(numbers: list[float], most: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MAX_DISTINCT", most)
        found = counted(np.array(numbers))
    every = counted(np.array(numbers))
    kept = {bits: len(np.unique(every._keys >> bits)) for bits in range(64)}
    assert found.dropped_bits == min(bits for bits, left in kept.items() if left <= most)
    np.testing.assert_array_equal(found._keys, np.unique(every._keys >> found.dropped_bits))
    assert found.counts.sum() == len(numbers)


def test_many_distinct_numbers_keep_exact_shares_and_close_quantiles() -> None:
    numbers = np.random.default_rng(0).lognormal(size=400_000)
    counts = counted(*np.split(numbers, 8))
    assert len(counts.counts) <= module.MAX_DISTINCT
    scale = NumberScale.fit(counts, num_pieces=24, num_bins=64)
    exact = np.quantile(numbers, np.linspace(0, 1, 25))
    np.testing.assert_allclose(scale.edges, exact, rtol=2e-3)


def test_rounded_numbers_are_rounded_down_by_little() -> None:
    numbers = np.sort(np.random.default_rng(1).normal(size=300_000))
    values = counted(numbers).values()
    places = np.searchsorted(values, numbers, side="right") - 1
    assert (places >= 0).all()
    assert np.max((numbers - values[places]) / np.abs(numbers)) < 2e-3


def test_the_largest_numbers_stay_finite_with_all_digits_dropped() -> None:
    counts = counted(np.array([-1.7976931348623157e308, 1.7976931348623157e308]))
    coarse = NumberCounts()
    coarse.dropped_bits = 52
    coarse.merge(counts)
    assert np.isfinite(coarse.values()).all()


def test_the_normal_quantile_takes_the_middle_of_tied_ranks() -> None:
    scale = fitted(np.array([1.0, 2.0, 2.0, 3.0]))
    expected = ndtri([1 / 8, 4 / 8, 7 / 8])
    np.testing.assert_allclose(scale.normal(np.array([1.0, 2.0, 3.0])), expected, atol=1e-12)
    between = scale.normal(np.array([1.5]))
    np.testing.assert_allclose(between, [(expected[0] + expected[1]) / 2], atol=1e-12)


def test_the_normal_quantile_is_cut_at_three_and_null_is_zero() -> None:
    scale = fitted(np.arange(100_000, dtype=np.float64))
    numbers = np.array([-1e9, 0.0, 99_999.0, 1e9, np.nan])
    assert scale.normal(numbers).tolist() == [-3.0, -3.0, 3.0, 3.0, 0.0]


def test_normal_quantiles_of_normal_numbers_are_standard_normal() -> None:
    numbers = np.random.default_rng(0).normal(5.0, 2.0, size=50_000)
    expected = np.clip((numbers - 5) / 2, -3, 3)
    np.testing.assert_allclose(fitted(numbers).normal(numbers), expected, atol=0.25)


def test_positions_are_piece_and_share_of_it() -> None:
    scale = fitted(np.array([0.0, 10.0, 30.0]))
    numbers = np.array([-5.0, 0.0, 5.0, 10.0, 15.0, 30.0, 99.0, np.nan])
    assert scale.num_pieces == 2
    assert scale.position(numbers).tolist() == [0.0, 0.0, 0.5, 1.0, 1.25, 2.0, 2.0, 0.0]


def test_even_numbers_get_the_pieces_that_were_asked_for() -> None:
    scale = fitted(np.arange(10_000, dtype=np.float64), num_pieces=4, num_bins=5)
    assert scale.edges == (0.0, 2499.0, 4999.0, 7499.0, 9999.0)
    assert scale.bins == (0.0, 2000.0, 4000.0, 6000.0, 8000.0)


def test_bins_start_at_id_four_and_null_has_the_null_id() -> None:
    scale = fitted(np.array([0.0, 10.0, 30.0]))
    numbers = np.array([-5.0, 0.0, 9.9, 10.0, 30.0, 99.0, np.nan])
    assert scale.bin_ids(numbers).tolist() == [4, 4, 4, 5, 6, 6, 2]


def test_a_column_of_95_percent_zeros_keeps_its_pieces_and_bins() -> None:
    generator = np.random.default_rng(0)
    numbers = np.where(generator.random(20_000) < 0.95, 0.0, generator.lognormal(size=20_000))
    scale = fitted(numbers)
    assert len(scale.edges) == 25
    assert len(scale.bins) > 60
    ids = scale.bin_ids(numbers)
    assert len(np.unique(ids)) > 10
    assert len(np.unique(ids[numbers == 0.0])) == 1
    assert not np.isin(ids[numbers != 0.0], ids[numbers == 0.0]).any()


def test_every_spike_has_a_bin_to_itself() -> None:
    generator = np.random.default_rng(0)
    parts = [np.full(2_000, -1.0), np.full(3_000, 5.0), generator.uniform(-3, 9, 5_000)]
    numbers = np.concatenate(parts)
    scale = fitted(numbers, num_bins=16, num_pieces=8)
    for spike in (-1.0, 5.0):
        assert spike in scale.edges
        inside = numbers[scale.bin_ids(numbers) == scale.bin_ids(np.array([spike]))]
        assert np.unique(inside).tolist() == [spike]


def test_few_values_have_an_edge_each() -> None:
    scale = fitted(np.repeat([1.0, 2.0, 5.0], [90, 9, 1]))
    assert scale.edges == scale.bins == (1.0, 2.0, 5.0)


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_more_spikes_than_bins_are_no_harm(limit: int) -> None:
    scale = fitted(np.repeat(np.arange(8.0), 10), num_pieces=limit, num_bins=limit)
    assert len(scale.bins) == limit
    assert scale.num_pieces == limit
    assert scale.bin_ids(np.arange(8.0)).max() < 4 + limit


def test_a_constant_says_nothing() -> None:
    scale = fitted(np.full(10, 7.0))
    assert scale.num_pieces == 0
    numbers = np.array([7.0, 8.0, np.nan])
    assert scale.normal(numbers).tolist() == [0.0, 0.0, 0.0]
    assert scale.position(numbers).tolist() == [0.0, 0.0, 0.0]
    assert scale.bin_ids(numbers).tolist() == [4, 4, 2]


@settings(max_examples=60, deadline=None)
@given(
    numbers=st.lists(st.floats(-1e12, 1e12) | st.sampled_from([0.0, 1.0]), min_size=1, max_size=90),
    num_pieces=st.integers(0, 9),
    num_bins=st.integers(0, 9),
)
def test_readings_rise_with_the_number_and_stay_in_range(
    numbers: list[float], num_pieces: int, num_bins: int
) -> None:
    array = np.sort(np.array(numbers))
    scale = fitted(array, num_pieces=num_pieces, num_bins=num_bins)
    normal, position = scale.normal(array), scale.position(array)
    assert scale.num_pieces <= num_pieces
    assert len(scale.bins) <= num_bins
    assert (np.diff(normal) >= 0).all()
    assert (np.diff(position) >= 0).all()
    assert np.abs(normal).max() <= 3
    assert position.min() >= 0
    assert position.max() <= scale.num_pieces
    if num_bins:
        ids = scale.bin_ids(array)
        assert (np.diff(ids) >= 0).all()
        assert 4 <= ids.min() <= ids.max() < 4 + num_bins


def test_a_scale_survives_json_to_the_last_digit() -> None:
    scale = fitted(np.random.default_rng(0).normal(size=5_000))
    assert NumberScale.from_json(json.loads(json.dumps(scale.to_json()))) == scale
