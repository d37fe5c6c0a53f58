"""Predictions of a whole store, as arrays, in slices of rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from plait.data.store import Store
from plait.models import MultiTaskModel

ROWS_AT_ONCE = 8192


def predict_store(
    model: MultiTaskModel, store: Store, *, rows_at_once: int = ROWS_AT_ONCE
) -> dict[str, NDArray[np.float32]]:
    """Predictions of every output, `[n]` or `[n, C]`, in the order of the store's rows.

    Memory beyond the answer itself does not grow with the store.
    """
    whole: dict[str, NDArray[np.float32]] = {}
    for rows, predictions in _slices(model, store, rows_at_once):
        for name, values in predictions.items():
            if name not in whole:
                whole[name] = np.empty((store.num_rows, *values.shape[1:]), dtype=np.float32)
            whole[name][rows] = values
    return whole


def _slices(
    model: MultiTaskModel, store: Store, rows_at_once: int
) -> Iterator[tuple[slice, dict[str, NDArray[np.float32]]]]:
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            for start in range(0, max(1, store.num_rows), rows_at_once):
                rows = slice(start, min(start + rows_at_once, store.num_rows))
                predictions = model.predict(store.batch(rows).to(device))
                yield rows, {k: v.float().cpu().numpy() for k, v in predictions.items()}
    finally:
        model.train(was_training)
