"""The loop, its settings, and what is measured on the way."""

from __future__ import annotations

from .calibrating import calibrate_heads
from .callbacks import Callback, EvaluationReport, History, StepReport
from .evaluation import Evaluation, SliceResult, evaluate_store
from .growing import grow_from
from .objective import Losses, Objective, Supervised
from .optimizers import RowwiseAdagrad
from .prediction import predict_store
from .settings import Training
from .setup import fit_heads
from .trainer import Trainer

__all__ = [
    "Callback",
    "Evaluation",
    "EvaluationReport",
    "History",
    "Losses",
    "Objective",
    "RowwiseAdagrad",
    "SliceResult",
    "StepReport",
    "Supervised",
    "Trainer",
    "Training",
    "calibrate_heads",
    "evaluate_store",
    "fit_heads",
    "grow_from",
    "predict_store",
]
