"""What heads can only learn from a trained model: the smearing factor of a logarithm."""

from __future__ import annotations

import torch

from plait.data.store import Store
from plait.models import MultiTaskModel

from .prediction import ROWS_AT_ONCE


def calibrate_heads(model: MultiTaskModel, store: Store) -> None:
    """Let every head that asks for it learn from the trained model's residuals.

    Args:
        model: trained.
        store: rows that training did not see, where there are any.
    """
    waiting = [name for name in model.tasks if model.head(name).needs_calibration]
    if not waiting:
        return
    found: dict[str, list[torch.Tensor]] = {name: [] for name in waiting}
    device = next(model.parameters()).device
    model.eval()
    with torch.inference_mode():
        for start in range(0, store.num_rows, ROWS_AT_ONCE):
            rows = slice(start, min(start + ROWS_AT_ONCE, store.num_rows))
            parameters = model(store.batch(rows).to(device))
            for name in waiting:
                found[name].append(parameters[name].clone())
    for name in waiting:
        counted = store.observed(name) & (store.weights(name) > 0)
        if not counted.any():
            continue
        model.head(name).calibrate(
            torch.cat(found[name])[torch.from_numpy(counted).to(device)],
            torch.from_numpy(store.labels(name)[counted]).to(device),
            torch.from_numpy(store.weights(name)[counted]).to(device),
        )
