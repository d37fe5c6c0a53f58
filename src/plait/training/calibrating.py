"""What heads can only learn from a trained model: the smearing factor of a logarithm."""

from __future__ import annotations

import torch

from plait.data.store import Store
from plait.models import MultiTaskModel

from .prediction import parameters_of


def calibrate_heads(model: MultiTaskModel, store: Store) -> None:
    """Let every head that asks for it learn from the trained model's residuals.

    Args:
        model: trained.
        store: rows that training did not see, where there are any.
    """
    waiting = [name for name in model.tasks if model.head(name).needs_calibration]
    for name, (parameters, rows) in parameters_of(model, store, waiting).items():
        head = model.head(name)
        device = next(model.parameters()).device
        head.calibrate(
            parameters.to(device),
            torch.from_numpy(store.labels(name)[rows]).to(device),
            torch.from_numpy(store.weights(name)[rows]).to(device),
        )
