from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from plait.heads import Rows, TargetFacts, head_for
from plait.tasks import Binary, Count, Multiclass, Ranking, Regression, Task, Value, WatchTime
from plait.testing import HeadCase, HeadContract


def _case(task: Task, *, extras: tuple[str, ...] = (), classes: int = 0) -> HeadCase:
    """A head fitted on 200 labels of its kind, and 8 rows."""
    random = np.random.default_rng(0)
    labels = np.floor(random.gamma(1.0, 3.0, 200))
    if isinstance(task, Binary):
        labels = (labels > 4).astype(np.float64)
    if classes:
        labels = labels % classes
    columns: Mapping[str, np.ndarray] = {
        name: labels + random.uniform(1, 9, 200) for name in extras
    }
    head = head_for(task)
    head.fit(TargetFacts(labels, np.ones(200), columns))
    generator = torch.Generator().manual_seed(0)
    rows = Rows(
        extras={name: torch.tensor(column[:8]).float() for name, column in columns.items()},
        groups=torch.arange(8) // 4,
    )
    parameters = torch.randn(8, head.out_features, generator=generator)
    return HeadCase(head, parameters, torch.tensor(labels[:8]).float(), rows)


class TestBinary(HeadContract):
    def make(self) -> HeadCase:
        return _case(Binary("click"))


class TestFocalWeightedBinary(HeadContract):
    def make(self) -> HeadCase:
        return _case(Binary("click", positive_weight=3.0, focal_gamma=2.0))


class TestMulticlass(HeadContract):
    def make(self) -> HeadCase:
        return _case(Multiclass("answer", classes=(0, 1, 2)), classes=3)


class TestRegression(HeadContract):
    def make(self) -> HeadCase:
        return _case(Regression("hours", transform="log1p", clip_quantile=0.99, loss="huber"))


class TestCount(HeadContract):
    def make(self) -> HeadCase:
        return _case(Count("visits", exposure="days"), extras=("exposure",))


class TestValue(HeadContract):
    def make(self) -> HeadCase:
        return _case(Value("spend"))


class TestCREAD(HeadContract):
    def make(self) -> HeadCase:
        return _case(WatchTime("seconds", duration="length", num_bins=5), extras=("duration",))


class TestD2Q(HeadContract):
    def make(self) -> HeadCase:
        task = WatchTime("seconds", duration="length", form="d2q", num_bins=5)
        return _case(task, extras=("duration",))


class TestWLR(HeadContract):
    def make(self) -> HeadCase:
        task = WatchTime("seconds", duration="length", form="wlr")
        return _case(task, extras=("duration",))


class TestListwise(HeadContract):
    def make(self) -> HeadCase:
        return _case(Ranking("order"))


class TestBPR(HeadContract):
    def make(self) -> HeadCase:
        return _case(Ranking("order", form="bpr"))
