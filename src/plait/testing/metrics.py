"""What every metric must do."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from plait.metrics import Metric, Value


class MetricRows(NamedTuple):
    """Rows for a metric.

    Attributes:
        predictions: `[n]`, or `[n, C]`.
        targets: `[n]`.
        groups: int64 `[n]`.
    """

    predictions: NDArray[np.float64]
    targets: NDArray[np.float64]
    groups: NDArray[np.int64]


class MetricContract(ABC):
    """Batches, merges, weights and answers of a metric.

    Stability: experimental.
    """

    tolerance = 1e-9
    """How far answers on the same rows may lie apart, relative to one plus their size."""

    @abstractmethod
    def make(self) -> Metric:
        """A metric that has seen nothing."""

    def rows(self, generator: np.random.Generator, count: int) -> MetricRows:
        """Random rows: probabilities, labels 0 and 1, groups. Override for other kinds."""
        predictions = generator.uniform(0.05, 0.95, count)
        targets = (generator.uniform(size=count) < predictions).astype(np.float64)
        return MetricRows(predictions, targets, np.arange(count) % 7)

    def test_it_has_a_name_and_a_direction(self) -> None:
        """What a report prints."""
        metric = self.make()
        assert metric.name
        assert not set(" \n\t") & set(metric.name)
        assert isinstance(metric.higher_is_better, bool)
        assert type(metric).__name__ in repr(metric)

    def test_an_answer_has_a_number_and_its_count(self) -> None:
        """Enough rows give a known value and say how many they were."""
        value = self._fed(self._rows(200)).compute()
        assert value.is_known, value.reason
        assert 0 < value.n <= 200
        assert not value.reason

    def test_batches_do_not_matter(self) -> None:
        """Rows fed in parts give the answer of the whole."""
        rows = self._rows(200)
        parts = self.make()
        for start, stop in ((0, 3), (3, 3), (3, 120), (120, 200)):
            _update(parts, _cut(rows, start, stop))
        self._assert_equal(parts.compute(), self._fed(rows).compute())

    def test_merging_is_feeding_both(self) -> None:
        """Workers that saw parts of the rows add up to one that saw all."""
        rows = self._rows(200)
        first, second = self._fed(_cut(rows, 0, 90)), self._fed(_cut(rows, 90, 200))
        first.merge(second)
        first.merge(self.make())
        self._assert_equal(first.compute(), self._fed(rows).compute())

    def test_it_may_be_asked_twice_and_then_fed_more(self) -> None:
        """Asking changes nothing."""
        rows = self._rows(200)
        metric = self._fed(_cut(rows, 0, 90))
        self._assert_equal(metric.compute(), metric.compute())
        _update(metric, _cut(rows, 90, 200))
        self._assert_equal(metric.compute(), self._fed(rows).compute())

    def test_buffers_may_be_used_again(self) -> None:
        """Arrays that the caller overwrites after `update` do not change the answer."""
        rows = self._rows(50)
        expected = self._fed(rows).compute()
        metric = self._fed(rows)
        for array in rows:
            array[:] = 0
        self._assert_equal(metric.compute(), expected)

    def test_no_rows_give_nan_and_a_reason(self) -> None:
        """Fed nothing, or nothing since `reset`: a number that is not known says so."""
        emptied = self._fed(self._rows(50))
        emptied.reset()
        for metric in (self.make(), emptied):
            value = metric.compute()
            assert math.isnan(value.value)
            assert value.reason
            assert value.n == 0
            assert metric.goodness(value) == -math.inf

    def test_weights_of_one_are_no_weights_and_rows_of_weight_zero_are_absent(self) -> None:
        """Weights mean how often a row counts."""
        rows = self._rows(200)
        ones = self.make()
        _update(ones, rows, np.ones(200))
        self._assert_equal(ones.compute(), self._fed(rows).compute())
        zeros = self.make()
        _update(zeros, rows, (np.arange(200) < 150).astype(np.float64))
        self._assert_close(zeros.compute(), self._fed(_cut(rows, 0, 150)).compute())

    def _rows(self, count: int) -> MetricRows:
        return self.rows(np.random.default_rng(0), count)

    def _fed(self, rows: MetricRows) -> Metric:
        metric = self.make()
        _update(metric, rows)
        return metric

    def _assert_equal(self, found: Value, expected: Value) -> None:
        """The same number up to rounding, the same counts, the same reason."""
        self._assert_close(found, expected)
        assert found._replace(value=0.0) == expected._replace(value=0.0)

    def _assert_close(self, found: Value, expected: Value) -> None:
        assert found.is_known == expected.is_known, (found, expected)
        if expected.is_known:
            allowed = self.tolerance * (1 + abs(expected.value))
            assert abs(found.value - expected.value) <= allowed, (found, expected)


def _update(metric: Metric, rows: MetricRows, weights: NDArray[np.float64] | None = None) -> None:
    metric.update(rows.predictions, rows.targets, weights=weights, groups=rows.groups)


def _cut(rows: MetricRows, start: int, stop: int) -> MetricRows:
    part = slice(start, stop)
    return MetricRows(rows.predictions[part], rows.targets[part], rows.groups[part])
