"""Which metrics a kind of task is judged by where nobody said otherwise."""

from __future__ import annotations

from collections.abc import Callable

from plait.errors import UnknownNameError
from plait.tasks import Task

from .calibration import ECE, PCOC, Brier, LogLoss, NormalisedEntropy
from .classification import Accuracy, MulticlassLogLoss
from .discrimination import AUC, GAUC, PRAUC
from .metric import Metric
from .ndcg import NDCG
from .ordering import XAUC, NormalisedGini
from .r2 import R2
from .regression import MAE, RMSE, PoissonDeviance
from .top_k import MAP, MRR, HitRate

__all__ = ["metrics_for", "primary_metric"]

# The first of each kind is its primary metric.
_BY_KIND: dict[str, tuple[Callable[[], Metric], ...]] = {
    "binary": (AUC, GAUC, LogLoss, NormalisedEntropy, PRAUC, PCOC, ECE, Brier),
    "multiclass": (MulticlassLogLoss, Accuracy),
    "regression": (RMSE, MAE, R2, XAUC),
    "count": (PoissonDeviance, RMSE, MAE, R2, XAUC),
    "watch_time": (XAUC, RMSE, MAE, R2),
    "value": (NormalisedGini, RMSE, MAE, R2, XAUC, PCOC),
    "ranking": (NDCG, MRR, HitRate, MAP, GAUC),
}


def metrics_for(task: Task) -> tuple[Metric, ...]:
    """Fresh metrics for a task, the primary one first.

    Those that need groups answer nan and say so where no groups are given; skip them by
    `needs_groups`.

    Raises:
        UnknownNameError: a kind of task that has no metrics here.

    Example:
        >>> from plait.tasks import Multiclass
        >>> metrics_for(Multiclass("genre"))
        (MulticlassLogLoss(), Accuracy())
    """
    if task.kind not in _BY_KIND:
        raise UnknownNameError(
            task.kind, what="kind of task", known=_BY_KIND, where="the default metrics"
        )
    return tuple(make() for make in _BY_KIND[task.kind])


def primary_metric(task: Task) -> Metric:
    """The metric that early stopping and the choice of a checkpoint read, fresh.

    Raises:
        UnknownNameError: as `metrics_for`.

    Example:
        >>> from plait.tasks import Binary
        >>> primary_metric(Binary("click"))
        AUC()
    """
    return metrics_for(task)[0]
