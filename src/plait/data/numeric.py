"""Numeric features: what the training values look like, and the three readings made of them.

Values are kept as counts of distinct values, exactly, up to 100,000 of them. Beyond that, values
are rounded down to fewer binary digits, one digit at a time, until they fit: every kept value then
stands for a narrow range, and its count is still exact. The digits that remain depend on the
values alone, not on chunks or their order, so two halves merge into the fit of the whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .batch import NULL, NUM_RESERVED

__all__ = ["NumberCounts", "NumberScale"]

MAX_DISTINCT = 100_000
SPIKE_SHARE = 0.1
CLIP = 3.0
_KNOTS = 1000

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class NumberCounts:
    """How often each number was seen, in bounded memory; mergeable.

    Example:
        >>> counts = NumberCounts()
        >>> counts.add(np.array([0.0, 0.0, 2.5]))
        >>> counts.values().tolist(), counts.counts.tolist()
        ([0.0, 2.5], [2, 1])
    """

    def __init__(self) -> None:
        self.dropped_bits = 0
        self._keys: Integers = np.empty(0, dtype=np.int64)
        self.counts: Integers = np.empty(0, dtype=np.int64)

    def add(self, numbers: Floats) -> None:
        """Count finite numbers."""
        keys, counts = np.unique(_ordered_bits(numbers), return_counts=True)
        self._take(keys >> self.dropped_bits, counts)

    def merge(self, other: NumberCounts) -> None:
        """Add what another part of the rows counted."""
        bits = max(self.dropped_bits, other.dropped_bits)
        self._keys = self._keys >> (bits - self.dropped_bits)
        self.dropped_bits = bits
        self._take(other._keys >> (bits - other.dropped_bits), other.counts)

    def values(self) -> Floats:
        """The distinct numbers in increasing order; where bits were dropped, rounded down."""
        return _numbers(self._keys << self.dropped_bits)

    def _take(self, keys: Integers, counts: Integers) -> None:
        keys, counts = np.concatenate([self._keys, keys]), np.concatenate([self.counts, counts])
        order = np.argsort(keys, kind="stable")
        self._keys, self.counts = _summed(keys[order], counts[order])
        spare = _bits_to_drop(self._keys, MAX_DISTINCT)
        if spare:
            self.dropped_bits += spare
            self._keys, self.counts = _summed(self._keys >> spare, self.counts)


def _summed(keys: Integers, counts: Integers) -> tuple[Integers, Integers]:
    """Distinct keys and the sums of their counts; the keys are in order."""
    if not len(keys):
        return keys, counts
    starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
    return keys[starts], np.add.reduceat(counts, starts)


def _bits_to_drop(keys: Integers, most: int) -> int:
    """The fewest low bits without which at most so many distinct keys are left.

    Two neighbours stay apart as long as the highest bit in which they differ is kept.
    """
    if len(keys) <= most:
        return 0
    differing = (keys[1:] ^ keys[:-1]).view(np.uint64)
    low = np.frexp((differing & 0xFFFFFFFF).astype(np.float64))[1]
    high = np.frexp((differing >> 32).astype(np.float64))[1]
    needed = np.where(high > 0, high + 32, low)  # kept apart while fewer bits are dropped
    return int(np.sort(needed)[len(keys) - most - 1])


@dataclass(frozen=True, kw_only=True)
class NumberScale:
    """Three readings of a number: normal quantile, position among edges, bin.

    The normal quantile interpolates linearly between up to about 1000 knots of the training
    distribution; tied values take the middle of their ranks, and the result is cut at ±3. Edges
    are quantiles of the values that are no spike (a spike holds more than a tenth of the mass),
    plus the spikes, each of which has a bin to itself; so a column that is 95 % zeros keeps its
    bins. Columns with few distinct values have an edge at each.

    Attributes:
        knots: training values, increasing.
        quantiles: their normal quantiles.
        edges: edges of the piecewise-linear encoding; one less than that many pieces.
        bins: the lower edge of each bin.
    """

    knots: tuple[float, ...]
    quantiles: tuple[float, ...]
    edges: tuple[float, ...]
    bins: tuple[float, ...]

    @classmethod
    def fit(cls, counts: NumberCounts, *, num_pieces: int, num_bins: int) -> NumberScale:
        """The scale of the counted numbers, of which there must be one at least."""
        values = counts.values()
        mass, total = counts.counts, counts.counts.sum()
        spikes = np.flatnonzero(mass > SPIKE_SHARE * total)
        middle = (np.cumsum(mass) - mass / 2) / total
        knots = _knots(middle, spikes)
        normal = NormalDist()
        quantiles = [normal.inv_cdf(share) for share in middle[knots]]
        return cls(
            knots=tuple(values[knots].tolist()),
            quantiles=tuple(np.clip(quantiles, -CLIP, CLIP).tolist()),
            edges=tuple(values[_edges(mass, spikes, num_pieces + 1)].tolist()),
            bins=tuple(values[_bins(mass, spikes, num_bins)].tolist()),
        )

    @classmethod
    def from_json(cls, form: Mapping[str, Any]) -> NumberScale:
        """The scale of `to_json`."""
        return cls(**{name: tuple(map(float, numbers)) for name, numbers in form.items()})

    def to_json(self) -> dict[str, Any]:
        """The numbers as lists; JSON keeps every digit."""
        return {name: list(numbers) for name, numbers in vars(self).items()}

    @property
    def num_pieces(self) -> int:
        """Pieces of the piecewise-linear encoding; 0 for a constant column."""
        return max(0, len(self.edges) - 1)

    def normal(self, numbers: Floats) -> Floats:
        """The normal quantile of each number; 0 where nan."""
        return np.where(np.isnan(numbers), 0.0, np.interp(numbers, self.knots, self.quantiles))

    def position(self, numbers: Floats) -> Floats:
        """Index of the piece plus the share of it that lies below; 0 where nan."""
        if not self.num_pieces:
            return np.zeros_like(numbers)
        steps = np.arange(len(self.edges), dtype=np.float64)
        return np.where(np.isnan(numbers), 0.0, np.interp(numbers, self.edges, steps))

    def bin_ids(self, numbers: Floats) -> NDArray[np.int32]:
        """Id of the bin; values outside the training range take the first or the last bin."""
        places = np.searchsorted(self.bins, numbers, side="right") - 1
        ids = NUM_RESERVED + np.maximum(places, 0)
        return np.where(np.isnan(numbers), NULL, ids).astype(np.int32)


def _ordered_bits(numbers: Floats) -> Integers:
    """Integers in the order of the numbers (sign and magnitude turned into two's complement)."""
    return _flipped((numbers + 0.0).view(np.int64))


def _numbers(keys: Integers) -> Floats:
    return _flipped(keys).view(np.float64)


def _flipped(bits: Integers) -> Integers:
    return np.where(bits < 0, bits ^ np.int64(2**63 - 1), bits)


def _knots(middle: Floats, spikes: Integers) -> Integers:
    """Places of about 1000 values at even steps of mass, all spikes and what stands beside them."""
    last = len(middle) - 1
    even = np.searchsorted(middle, np.linspace(0, 1, _KNOTS)) if last >= _KNOTS else range(last)
    beside = np.concatenate([spikes - 1, spikes, spikes + 1])
    return np.unique(np.clip(np.concatenate([even, beside, [0, last]]), 0, last).astype(np.int64))


def _edges(mass: Integers, spikes: Integers, limit: int) -> Integers:
    """Places of at most `limit` edges: every value, or the spikes and quantiles of the others."""
    if len(mass) <= limit:
        return np.arange(len(mass))
    quantiles = _quantiles(mass, spikes, limit - len(spikes), ends=True)
    return _thinned(np.union1d(spikes, quantiles), limit)


def _bins(mass: Integers, spikes: Integers, limit: int) -> Integers:
    """Places of at most `limit` lower edges; a bin ends right behind each spike."""
    if len(mass) <= limit:
        return np.arange(len(mass))
    behind = np.minimum(spikes + 1, len(mass) - 1)
    own = np.union1d(spikes, behind)
    return _thinned(np.union1d(own, _quantiles(mass, spikes, limit - len(own), ends=False)), limit)


def _quantiles(mass: Integers, spikes: Integers, number: int, *, ends: bool) -> Integers:
    """Places of quantiles of the values that are no spikes, at `number` even levels from 0."""
    others = np.delete(np.arange(len(mass)), spikes)
    if number < 1 or not len(others):
        return others[:1]
    reached = np.cumsum(mass[others])
    levels = np.linspace(0, 1, number, endpoint=ends) * reached[-1]
    places = np.searchsorted(reached, levels, side="left" if ends else "right")
    return np.unique(others[np.minimum(places, len(others) - 1)])


def _thinned(places: Integers, limit: int) -> Integers:
    if len(places) <= limit:
        return places
    return places[np.linspace(0, len(places) - 1, limit).astype(np.int64)]
