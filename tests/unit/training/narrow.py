"""Models that are trained in few binary digits."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from tests.unit.makers import Data, make_model
from tests.unit.training.test_balancing import FEW

from plait.architectures import Architecture, SharedBottom
from plait.data.schema import Categorical
from plait.models import MultiTaskModel, Precision

PLACED = replace(FEW, features=(*FEW.features, Categorical("tab", min_count=1)), scenario="tab")


def made(
    data: Data,
    kind: type[Architecture] = SharedBottom,
    *,
    tasks: int = 5,
    seed: int = 0,
    dropout: float = 0.1,
    table_precision: Precision = "fp32",
) -> MultiTaskModel:
    """A structure of two layers for the first tasks."""
    return make_model(
        data,
        tasks=data.tasks[:tasks],
        architecture=partial(kind, layers=(16, 8)),
        dropout=dropout,
        table_precision=table_precision,
        seed=seed,
    )
