"""What judging costs: predictions and metrics of an evaluation, and of the end of a run."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from plait.data.preparing import PreparedLog
from plait.data.store import Store
from plait.metrics import metrics_for
from plait.models import MultiTaskModel
from plait.training import evaluate_store, finish, predict_store
from plait.training.judging import Predictions, fits, judged_rows, scores

__all__ = ["Judging", "measure_judging"]


@dataclass(frozen=True)
class Judging:
    """Seconds that judging takes.

    Attributes:
        valid_rows: rows of an evaluation during training; 0: there is none.
        predict: seconds of its predictions.
        metrics: seconds of its metrics.
        judged_rows: rows that the finished run is judged on.
        end_predict: seconds of their predictions.
        end_metrics: seconds of all their metrics and slices.
        finish: seconds in which one state is put right: mean predictions, a regression's line.
        slowest: the metric that took longest, and its output: `auc of click`.
        slowest_share: its part of the metrics of a run's end, without slices.
    """

    valid_rows: int
    predict: float
    metrics: float
    judged_rows: int
    end_predict: float
    end_metrics: float
    finish: float
    slowest: str
    slowest_share: float

    @property
    def predicted_per_second(self) -> float:
        """Rows predicted a second."""
        return (self.valid_rows + self.judged_rows) / (self.predict + self.end_predict)


def measure_judging(
    model: MultiTaskModel,
    prepared: PreparedLog,
    *,
    group_by: str | None = None,
    slices: Sequence[str] = (),
) -> Judging:
    """Judge a model as a run does: once as after an epoch, once as at the end.

    Raises:
        UnknownNameError: `group_by` or `slices` names a column that was not kept.
    """
    spent: dict[str, float] = {}
    valid = prepared.valid
    if valid is not None:
        with _timed(spent, "predict"):
            predictions = predict_store(model, valid)
        with _timed(spent, "metrics"):
            fits(model, valid, predictions, scores(model, valid, predictions))
    with _timed(spent, "finish"):
        finish(model, prepared.train, valid)
    judged = prepared.test or valid or prepared.train
    with _timed(spent, "end_predict"):
        predictions = predict_store(model, judged)
    with _timed(spent, "end_metrics"):
        evaluate_store(model, judged, predictions=predictions, group_by=group_by, slices=slices)
    slowest, share = _slowest(model, judged, predictions)
    return Judging(
        valid_rows=0 if valid is None else valid.num_rows,
        predict=spent.get("predict", 0.0),
        metrics=spent.get("metrics", 0.0),
        judged_rows=judged.num_rows,
        end_predict=spent["end_predict"],
        end_metrics=spent["end_metrics"],
        finish=spent["finish"],
        slowest=slowest,
        slowest_share=share,
    )


@contextmanager
def _timed(spent: dict[str, float], name: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    spent[name] = time.perf_counter() - began


def _slowest(model: MultiTaskModel, store: Store, predictions: Predictions) -> tuple[str, float]:
    """The metric that takes longest, and its part of all of them."""
    spent: dict[str, float] = {}
    role = next((role for role in ("user", "request") if role in store.layout.keys), None)
    groups = None if role is None else store.key(role)
    for output in model.outputs:
        rows = judged_rows(model, store, output, predictions[output], groups=groups)
        for metric in metrics_for(model.head(output).task):
            if metric.needs_groups and groups is None:
                continue
            with _timed(spent, f"{metric.name} of {output}"):
                metric.update(
                    rows.predictions, rows.targets, weights=rows.weights, groups=rows.groups
                )
                metric.compute()
    slowest = max(spent, key=spent.__getitem__)
    return slowest, spent[slowest] / sum(spent.values())
