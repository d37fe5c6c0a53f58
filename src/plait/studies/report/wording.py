"""What numbers mean, in sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence

from plait.metrics import Estimate
from plait.studies.page.numbers import joined, number, percent

from .judging import Comparison, Judgement

__all__ = ["PARTS_IN_WORDS", "against", "meaning", "metric_title", "thing"]

PARTS_IN_WORDS = {"test": "test", "valid": "validation", "train": "training"}

_TITLES = {
    "auc": "AUC",
    "gauc": "AUC within groups (gauc)",
    "pr_auc": "average precision (pr_auc)",
    "log_loss": "log loss",
    "normalised_entropy": "log loss over that of the base rate (normalised_entropy)",
    "pcoc": "predicted over actual total (pcoc)",
    "ece": "calibration error (ece)",
    "brier": "Brier score",
    "rmse": "RMSE",
    "mae": "MAE",
    "r2": "R²",
    "xauc": "XAUC",
    "multiclass_log_loss": "log loss",
    "poisson_deviance": "Poisson deviance",
    "normalised_gini": "normalised Gini",
}


def metric_title(name: str) -> str:
    """What a metric is called on the page."""
    return _TITLES.get(name, name.upper() if name.startswith("ndcg") else name)


def thing(judgement: Judgement) -> str:
    """An output and its kind: `like, a yes or no`."""
    kinds = {
        "binary": "a yes or no",
        "multiclass": "one of several classes",
        "regression": "a number",
        "count": "a number of events",
        "value": "an amount",
        "watch_time": "a watch time",
        "ranking": "an order within requests",
    }
    return f"{judgement.output}, {kinds.get(judgement.kind, judgement.kind)}"


def meaning(judgement: Judgement) -> str:
    """What the metric's value says, for someone who does not know the metric."""
    value = judgement.estimate.value
    if math.isnan(value):
        return f"There is no number: {judgement.estimate.reason}."
    sentences = {
        "auc": f"Of a row that was positive and one that was not, the model puts the right one "
        f"first {percent(value)} of the time; a guess does so {percent(0.5)}.",
        "xauc": f"Of two rows with different labels, the model orders {percent(value)} rightly; "
        f"a guess {percent(0.5)}.",
        "rmse": f"Predictions are off by {number(value)} (root mean square), in the label's own "
        "unit.",
        "normalised_gini": f"The order by predicted amount has {percent(value)} of the gain that "
        "the perfect order would have.",
    }
    if judgement.metric.startswith("ndcg"):
        return f"The first places hold {percent(value)} of the gain that the best order has."
    default = f"{metric_title(judgement.metric)} is {number(value)}; "
    return sentences.get(
        judgement.metric,
        default + ("higher is better." if judgement.higher_is_better else "lower is better."),
    )


def against(comparisons: Sequence[Comparison]) -> list[str]:
    """The comparisons in sentences; those that cannot be told apart stand together."""
    told = [
        f"{found.verdict.capitalize()} than the {found.baseline} by "
        f"{number(abs(found.gain.value))} ({_size_range(found.gain)})."
        for found in comparisons
        if not found.reason and found.verdict != "not told apart"
    ]
    alike = [
        f"the {found.baseline}"
        for found in comparisons
        if not found.reason and found.verdict == "not told apart"
    ]
    if alike:
        told.append(f"Not told apart from {joined(alike, last='or')}: chance can explain the gap.")
    told += [
        f"Not compared with the {found.baseline}: {found.reason}."
        for found in comparisons
        if found.reason
    ]
    return told


def _size_range(gain: Estimate) -> str:
    ends = sorted((abs(gain.low), abs(gain.high)))
    return f"{number(ends[0])} to {number(ends[1])}"
