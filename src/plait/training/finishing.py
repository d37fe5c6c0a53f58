"""What is done to a trained model before it is judged and saved."""

from __future__ import annotations

from collections.abc import Mapping

from plait.data.store import Store
from plait.models import MultiTaskModel

from .calibrating import calibrate_heads
from .levelling import level_base_rates
from .noisy_rates import NoisyRates
from .straightening import straighten

__all__ = ["finish"]


def finish(
    model: MultiTaskModel,
    train: Store,
    valid: Store | None,
    *,
    noise: Mapping[str, NoisyRates] | None = None,
) -> None:
    """Put right what early stopping and averaging leave a little off; no order of rows changes.

    Probabilities get the mean of the training labels (`level_base_rates`). Numbers get the
    slope of the validation rows (`straighten`) and, under a logarithm, a smearing factor
    (`calibrate_heads`).

    Args:
        model: trained.
        train: the training rows.
        valid: the validation rows, where there are any.
        noise: by task, how often recorded labels are wrong (`History.noise`).
    """
    level_base_rates(model, train, noise=noise)
    if valid is not None:
        straighten(model, valid)
    calibrate_heads(model, train if valid is None else valid)
