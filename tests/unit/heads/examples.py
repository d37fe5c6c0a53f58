"""One task of every kind and form, with labels that it can be fitted on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from plait.heads import Head, Rows, TargetFacts, head_for
from plait.tasks import Binary, Count, Multiclass, Ranking, Regression, Task, Value, WatchTime

TASKS: dict[str, Task] = {
    "binary": Binary("click"),
    "weighted": Binary("click", positive_weight=7.0),
    "focal": Binary("click", focal_gamma=2.0, positive_weight=3.0),
    "trials": Binary("click", trials="shown"),
    "multiclass": Multiclass("answer", classes=("a", "b", "c"), class_weights=(1.0, 2.0, 4.0)),
    "regression": Regression("rating"),
    "huber": Regression("rating", loss="huber", clip_quantile=0.9),
    "absolute": Regression("rating", loss="absolute"),
    "log1p": Regression("hours", transform="log1p"),
    "count": Count("visits"),
    "exposure": Count("visits", exposure="days"),
    "value": Value("spend"),
    "cread": WatchTime("seconds", duration="length", num_bins=5),
    "d2q": WatchTime("seconds", duration="length", form="d2q", num_bins=3),
    "wlr": WatchTime("seconds", duration="length", form="wlr"),
    "listwise": Ranking("order"),
    "bpr": Ranking("order", form="bpr"),
}


@dataclass(frozen=True)
class Example:
    """A head that was fitted, the facts it saw, and the same rows as a batch."""

    head: Head
    facts: TargetFacts
    target: torch.Tensor
    rows: Rows

    def parameters(self, fill: float | None = None) -> torch.Tensor:
        """Parameters for every row: random ones, or all alike."""
        shape = (len(self.target), self.head.out_features)
        if fill is not None:
            return torch.full(shape, fill)
        return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def facts_of(name: str, num_rows: int = 60) -> TargetFacts:
    """Labels, weights and extras drawn for the task of that name."""
    random = np.random.default_rng(7)
    draws = {
        "binary": random.integers(0, 2, num_rows),
        "trials": random.integers(0, 5, num_rows) / 4,
        "multiclass": random.integers(0, 3, num_rows),
        "regression": random.normal(3.0, 2.0, num_rows),
        "count": random.poisson(2.0, num_rows),
        "amount": random.exponential(20.0, num_rows) * random.integers(0, 2, num_rows),
        "watch": random.exponential(20.0, num_rows),
    }
    kind = {
        "weighted": "binary",
        "focal": "binary",
        "huber": "regression",
        "absolute": "regression",
        "log1p": "amount",
        "exposure": "count",
        "value": "amount",
        "cread": "watch",
        "d2q": "watch",
        "wlr": "amount",
        "listwise": "binary",
        "bpr": "count",
    }
    extras = {
        "exposure": random.uniform(1.0, 9.0, num_rows),
        "duration": random.uniform(5.0, 90.0, num_rows),
    }
    targets = draws[kind.get(name, name)].astype(np.float64)
    return TargetFacts(targets, random.integers(1, 4, num_rows).astype(np.float64), extras)


def example_of(name: str) -> Example:
    """The fitted head of that name and its training rows."""
    head, facts = head_for(TASKS[name]), facts_of(name)
    head.fit(facts)
    extras = {key: torch.from_numpy(column).float() for key, column in facts.extras.items()}
    groups = torch.randint(0, 12, (facts.targets.size,), generator=torch.Generator().manual_seed(2))
    target = torch.from_numpy(facts.targets).float()
    return Example(head, facts, target, Rows(extras=extras, groups=groups))
