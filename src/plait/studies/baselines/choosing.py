"""The baselines by name, and their predictions for every output of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from plait.errors import UnknownNameError
from plait.studies.opened import OpenedRun

from .simple import constant, item_mean
from .single_task import single_task
from .targets import Targets, exposure, targets_of

__all__ = ["BASELINES", "CHEAP", "BaselineName", "baseline_predictions", "check_baselines"]

BaselineName = Literal["constant", "item_mean", "logistic", "trees", "single_task"]

BASELINES: dict[BaselineName, str] = {
    "constant": "constant",
    "item_mean": "item mean",
    "logistic": "linear model",
    "trees": "boosted trees",
    "single_task": "single-task network",
}
"""What each baseline is called in a report."""

CHEAP: tuple[BaselineName, ...] = ("constant", "item_mean")


def check_baselines(names: Sequence[str]) -> tuple[BaselineName, ...]:
    """The names in the order of `BASELINES`, each once.

    Raises:
        UnknownNameError: a name that is no baseline.
    """
    for name in names:
        if name not in BASELINES:
            raise UnknownNameError(name, what="baseline", known=BASELINES)
    return tuple(name for name in BASELINES if name in names)


def baseline_predictions(
    run: OpenedRun,
    name: BaselineName,
    output: str,
    *,
    seed: int,
) -> NDArray[np.float32] | str:
    """Predictions of a baseline for every judged row, `[N]` or `[N, C]`; or why there are none.

    Args:
        run: the run whose features and rows it gets.
        name: the baseline.
        output: what it predicts.
        seed: of draws and trees.
    """
    if name == "single_task":
        if output not in run.model.tasks:
            return "an output that a link adds has no labels of its own"
        return single_task(run, output).astype(np.float32)
    targets = targets_of(run.model, run.train, output, seed=seed)
    if targets is None:
        return "there are no training labels"
    if name == "item_mean" and run.schema.item is None:
        return "the schema names no item"
    if targets.is_class and name != "constant" and len(np.unique(targets.values)) < 2:
        return "all training labels are of one class"
    found = _fitted(run, name, targets, seed)
    scale = exposure(targets.task, run.judged)
    return (found if scale is None else found * scale).astype(np.float32)


def _fitted(run: OpenedRun, name: BaselineName, targets: Targets, seed: int) -> NDArray[np.float64]:
    if name == "constant":
        return _narrowed(constant(targets, run.judged), targets)
    if name == "item_mean":
        return _narrowed(item_mean(targets, run.train, run.judged), targets)
    # Here, not above: scikit-learn takes seconds to import, and most commands do without it.
    if name == "logistic":
        from .linear import linear

        return linear(targets, run.train, run.judged)
    from .trees import trees

    return trees(targets, run.train, run.judged, seed=seed)


def _narrowed(found: NDArray[np.float64], targets: Targets) -> NDArray[np.float64]:
    return found if targets.task.kind == "multiclass" else found[:, 0]
