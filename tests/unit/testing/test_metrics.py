from __future__ import annotations

import numpy as np

from plait import metrics
from plait.metrics import Metric
from plait.testing import MetricContract, MetricRows


class TestAUC(MetricContract):
    def make(self) -> Metric:
        return metrics.AUC()


class TestGAUC(MetricContract):
    def make(self) -> Metric:
        return metrics.GAUC()


class TestLogLoss(MetricContract):
    def make(self) -> Metric:
        return metrics.LogLoss()


class TestNDCG(MetricContract):
    def make(self) -> Metric:
        return metrics.NDCG()


class TestRMSE(MetricContract):
    def make(self) -> Metric:
        return metrics.RMSE()

    def rows(self, generator: np.random.Generator, count: int) -> MetricRows:
        targets = generator.gamma(1.0, 3.0, count)
        return MetricRows(targets + generator.normal(size=count), targets, np.arange(count) % 7)
