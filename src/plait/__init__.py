"""plait: multi-task learning for recommender systems, from an exposure log to a ranked list.

The names below are all that most people need. They are imported when they are first used, so that
`import plait` is quick and loads no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import version

    from plait.architectures import (
        AITM,
        CGC,
        DBMTL,
        DCMT,
        ESCM2,
        NISE,
        PLE,
        STAR,
        STEM,
        AdaTT,
        Chain,
        CrossStitch,
        HoME,
        MMoE,
        OMoE,
        PEPNet,
        PersonalGates,
        PositionBias,
        PPNet,
        ScenarioGate,
        SharedBottom,
        SingleTask,
    )
    from plait.balancing import BaseRate, Equal, Fixed
    from plait.data.history import History
    from plait.data.joins import Table
    from plait.data.schema import Categorical, MultiHot, Numeric, Schema, Sequence, Vector
    from plait.data.splits import ColumnSplit, RandomSplit, TimeSplit, UserSplit
    from plait.estimator import MultiTaskEstimator
    from plait.experiment import Experiment, Run, train, train_towers
    from plait.methods import (
        SCARF,
        Denoising,
        FiniteDifference,
        GradientNorm,
        Hybrid,
        JointFeatures,
        MaskedFields,
        RepresentationNorm,
        SoftLabels,
    )
    from plait.retrieval import Retrieval
    from plait.serving import Predictor, load
    from plait.tasks import Binary, Count, Multiclass, Ranking, Regression, Value, WatchTime
    from plait.training import Training

    __version__ = version("plait")

_ROOMS = {
    "plait.architectures": (
        "AITM",
        "CGC",
        "DBMTL",
        "DCMT",
        "ESCM2",
        "NISE",
        "PLE",
        "STAR",
        "STEM",
        "AdaTT",
        "Chain",
        "CrossStitch",
        "HoME",
        "MMoE",
        "OMoE",
        "PEPNet",
        "PPNet",
        "PersonalGates",
        "PositionBias",
        "ScenarioGate",
        "SharedBottom",
        "SingleTask",
    ),
    "plait.balancing": ("BaseRate", "Equal", "Fixed"),
    "plait.data.history": ("History",),
    "plait.data.joins": ("Table",),
    "plait.data.schema": ("Categorical", "MultiHot", "Numeric", "Schema", "Sequence", "Vector"),
    "plait.data.splits": ("ColumnSplit", "RandomSplit", "TimeSplit", "UserSplit"),
    "plait.estimator": ("MultiTaskEstimator",),
    "plait.experiment": ("Experiment", "Run", "train", "train_towers"),
    "plait.methods": (
        "SCARF",
        "Denoising",
        "FiniteDifference",
        "GradientNorm",
        "Hybrid",
        "JointFeatures",
        "MaskedFields",
        "RepresentationNorm",
        "SoftLabels",
    ),
    "plait.retrieval": ("Retrieval",),
    "plait.serving": ("Predictor", "load"),
    "plait.tasks": (
        "Binary",
        "Count",
        "Multiclass",
        "Ranking",
        "Regression",
        "Value",
        "WatchTime",
    ),
    "plait.training": ("Training",),
}
_HOME = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [
    "AITM",
    "CGC",
    "DBMTL",
    "DCMT",
    "ESCM2",
    "NISE",
    "PLE",
    "SCARF",
    "STAR",
    "STEM",
    "AdaTT",
    "BaseRate",
    "Binary",
    "Categorical",
    "Chain",
    "ColumnSplit",
    "Count",
    "CrossStitch",
    "Denoising",
    "Equal",
    "Experiment",
    "FiniteDifference",
    "Fixed",
    "GradientNorm",
    "History",
    "HoME",
    "Hybrid",
    "JointFeatures",
    "MMoE",
    "MaskedFields",
    "MultiHot",
    "MultiTaskEstimator",
    "Multiclass",
    "Numeric",
    "OMoE",
    "PEPNet",
    "PPNet",
    "PersonalGates",
    "PositionBias",
    "Predictor",
    "RandomSplit",
    "Ranking",
    "Regression",
    "RepresentationNorm",
    "Retrieval",
    "Run",
    "ScenarioGate",
    "Schema",
    "Sequence",
    "SharedBottom",
    "SingleTask",
    "SoftLabels",
    "Table",
    "TimeSplit",
    "Training",
    "UserSplit",
    "Value",
    "Vector",
    "WatchTime",
    "__version__",
    "load",
    "train",
    "train_towers",
]


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("plait")
    if name not in _HOME:
        raise AttributeError(f"module 'plait' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
