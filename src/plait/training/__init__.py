"""The loop, its settings, and what is measured on the way."""

from __future__ import annotations

from .calibrating import calibrate_heads
from .callbacks import Callback, EvaluationReport, History, StepReport
from .engine import blocks_of, engine_for, warm_up
from .evaluation import Evaluation, SliceResult, evaluate_store
from .finishing import finish
from .growing import grow_from
from .kept import best_state_of, finish_kept
from .levelling import level_base_rates
from .noisy_rates import NoisyRates
from .objective import Expected, Losses, Objective, Supervised
from .prediction import predict_store
from .row_optimizers import LazyAdam, RowwiseAdagrad
from .settings import Engine, EngineChoice, Training
from .setup import check_labels, expected_shares, fit_heads
from .straightening import straighten
from .trainer import Trainer

__all__ = [
    "Callback",
    "Engine",
    "EngineChoice",
    "Evaluation",
    "EvaluationReport",
    "Expected",
    "History",
    "LazyAdam",
    "Losses",
    "NoisyRates",
    "Objective",
    "RowwiseAdagrad",
    "SliceResult",
    "StepReport",
    "Supervised",
    "Trainer",
    "Training",
    "best_state_of",
    "blocks_of",
    "calibrate_heads",
    "check_labels",
    "engine_for",
    "evaluate_store",
    "expected_shares",
    "finish",
    "finish_kept",
    "fit_heads",
    "grow_from",
    "level_base_rates",
    "predict_store",
    "straighten",
    "warm_up",
]
