"""Predictions of a whole store, as arrays, in slices of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from plait.data.batch import Batch
from plait.data.store import Store
from plait.models import MultiTaskModel

ROWS_AT_ONCE = 1024


def predict_store(
    model: MultiTaskModel,
    store: Store,
    *,
    rows_at_once: int = ROWS_AT_ONCE,
    observed: bool = False,
) -> dict[str, NDArray[np.float32]]:
    """Predictions of every output, `[n]` or `[n, C]`, in the order of the store's rows.

    Memory beyond the answer itself does not grow with the store.

    Args:
        model: the model.
        store: the rows.
        rows_at_once: rows of a slice.
        observed: as the labels were observed (`MultiTaskModel.predict_observed`), to see how well
            the losses are met.
    """
    predict = model.predict_observed if observed else model.predict
    whole: dict[str, NDArray[np.float32]] = {}
    for rows, predictions in _slices(model, predict, store, rows_at_once):
        for name, values in predictions.items():
            if name not in whole:
                whole[name] = np.empty((store.num_rows, *values.shape[1:]), dtype=np.float32)
            whole[name][rows] = values
    return whole


def parameters_of(
    model: MultiTaskModel, store: Store, names: Sequence[str]
) -> dict[str, tuple[Tensor, NDArray[np.int64]]]:
    """What heads read on the rows where their task counts: `[n, out]` on the CPU, and the rows.

    A task without an observed row of positive weight has no entry.
    """
    counts = {name: store.observed(name) & (store.weights(name) > 0) for name in names}
    counts = {name: rows for name, rows in counts.items() if rows.any()}
    if not counts:
        return {}
    wanted = np.flatnonzero(np.logical_or.reduce(list(counts.values())))
    device = next(model.parameters()).device
    found: dict[str, list[Tensor]] = {name: [] for name in counts}
    model.eval()
    with torch.inference_mode():
        for start in range(0, len(wanted), ROWS_AT_ONCE):
            rows = wanted[start : start + ROWS_AT_ONCE]
            parameters = model(store.batch(rows).to(device))
            for name, parts in found.items():
                parts.append(parameters[name].cpu()[torch.from_numpy(counts[name][rows])])
    return {
        name: (torch.cat(parts).clone(), np.flatnonzero(counts[name]))
        for name, parts in found.items()
    }


def _slices(
    model: MultiTaskModel,
    predict: Callable[[Batch], dict[str, Tensor]],
    store: Store,
    rows_at_once: int,
) -> Iterator[tuple[slice, dict[str, NDArray[np.float32]]]]:
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            for start in range(0, max(1, store.num_rows), rows_at_once):
                rows = slice(start, min(start + rows_at_once, store.num_rows))
                predictions = predict(store.batch(rows).to(device))
                yield rows, {k: v.float().cpu().numpy() for k, v in predictions.items()}
    finally:
        model.train(was_training)
