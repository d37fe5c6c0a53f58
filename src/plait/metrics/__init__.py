"""Metrics: pure functions, mergeable classes that call them, and the statistics of differences."""

from __future__ import annotations

from .additive import Additive, SummedMetric
from .bootstrap import paired_bootstrap
from .calibration import (
    ECE,
    PCOC,
    Brier,
    LogLoss,
    NormalisedEntropy,
    brier,
    ece,
    log_loss,
    log_loss_from_logits,
    normalised_entropy,
    pcoc,
)
from .classification import (
    Accuracy,
    MulticlassLogLoss,
    QuadraticWeightedKappa,
    accuracy,
    multiclass_log_loss,
    quadratic_weighted_kappa,
)
from .defaults import metrics_for, primary_metric
from .delong import delong_interval, delong_test
from .discrimination import AUC, GAUC, PRAUC, auc, gauc, pr_auc
from .metric import Collected, CollectedMetric, Metric
from .ndcg import NDCG, ndcg
from .ordering import XAUC, NormalisedGini, normalised_gini, xauc
from .r2 import R2, r2
from .regression import MAE, RMSE, PoissonDeviance, mae, poisson_deviance, rmse
from .statistics import Estimate, holm, mean_interval, paired_difference
from .streaming import StreamingAUC
from .top_k import (
    MAP,
    MRR,
    HitRate,
    Precision,
    Recall,
    hit_rate,
    mean_average_precision,
    mrr,
    precision,
    recall,
)
from .trials import TrialRows, expand_trials
from .value import Value

__all__ = [
    "AUC",
    "ECE",
    "GAUC",
    "MAE",
    "MAP",
    "MRR",
    "NDCG",
    "PCOC",
    "PRAUC",
    "R2",
    "RMSE",
    "XAUC",
    "Accuracy",
    "Additive",
    "Brier",
    "Collected",
    "CollectedMetric",
    "Estimate",
    "HitRate",
    "LogLoss",
    "Metric",
    "MulticlassLogLoss",
    "NormalisedEntropy",
    "NormalisedGini",
    "PoissonDeviance",
    "Precision",
    "QuadraticWeightedKappa",
    "Recall",
    "StreamingAUC",
    "SummedMetric",
    "TrialRows",
    "Value",
    "accuracy",
    "auc",
    "brier",
    "delong_interval",
    "delong_test",
    "ece",
    "expand_trials",
    "gauc",
    "hit_rate",
    "holm",
    "log_loss",
    "log_loss_from_logits",
    "mae",
    "mean_average_precision",
    "mean_interval",
    "metrics_for",
    "mrr",
    "multiclass_log_loss",
    "ndcg",
    "normalised_entropy",
    "normalised_gini",
    "paired_bootstrap",
    "paired_difference",
    "pcoc",
    "poisson_deviance",
    "pr_auc",
    "precision",
    "primary_metric",
    "quadratic_weighted_kappa",
    "r2",
    "recall",
    "rmse",
    "xauc",
]
