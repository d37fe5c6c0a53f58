"""The primary metric of every output on some rows of a store."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from plait.data.store import Store
from plait.metrics import Value, primary_metric
from plait.models import MultiTaskModel
from plait.training.judging import judged_rows

__all__ = ["values_on"]


def values_on(
    model: MultiTaskModel,
    store: Store,
    rows: NDArray[np.int64],
    predictions: Mapping[str, NDArray[np.float32]],
) -> dict[str, Value]:
    """Each output's primary metric.

    Args:
        model: whose outputs they are.
        store: labels and masks.
        rows: positions in the store `[n]`.
        predictions: of these rows, in their order, by output.
    """
    inside = np.zeros(store.num_rows, dtype=np.bool_)
    inside[rows] = True
    found: dict[str, Value] = {}
    for output in model.outputs:
        metric = primary_metric(model.head(output).task)
        values = predictions[output]
        whole = np.zeros((store.num_rows, *values.shape[1:]), dtype=np.float32)
        whole[rows] = values
        groups = store.key("request") if metric.needs_groups else None
        judged = judged_rows(model, store, output, whole, rows=inside, groups=groups)
        metric.update(
            judged.predictions, judged.targets, weights=judged.weights, groups=judged.groups
        )
        found[output] = metric.compute()
    return found
