"""Dropout that costs little beside the layer that it follows."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Dropout", "dropout_mask"]

STEPS = 1 << 16
"""Shares are drawn in steps of one in so many."""


class Dropout(nn.Module):
    """Leave out a share of the values in training, and scale the others up to the same mean.

    As `torch.nn.Dropout`, whose draws cost more on a CPU than the product of matrices before them:
    here one draw of 64 bits serves four values, so that the share is rounded to a multiple of
    1/65536. On other devices it is torch's own.

    Srivastava et al., `Dropout: A Simple Way to Prevent Neural Networks from Overfitting
    <https://jmlr.org/papers/v15/srivastava14a.html>`_, 2014.

    Stability: stable.

    Args:
        rate: share of the values that are left out.
    """

    def __init__(self, rate: float = 0.0) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, values: Tensor) -> Tensor:
        """Values of the same shape."""
        if not self.training or self.rate == 0:
            return values
        if values.device.type != "cpu":
            return functional.dropout(values, self.rate, training=True)
        return values * dropout_mask(values.shape, self.rate).to(values.dtype)

    def extra_repr(self) -> str:
        """What stands in the printed form."""
        return f"rate={self.rate}"


def dropout_mask(shape: torch.Size, rate: float) -> Tensor:
    """Zeros, a share `rate` of them, among values that bring the mean to one.

    The bits come from a generator that torch's own seeds, so that a run's draws are in its seed.
    """
    number = shape.numel()
    dropped = round(rate * STEPS)
    if dropped == STEPS:
        return torch.zeros(shape)
    seed = int(torch.empty((), dtype=torch.int64).random_())
    bits = np.random.SFC64(seed).random_raw(-(-number // 4)).view(np.int16)[:number]
    kept = np.multiply(bits >= dropped - STEPS // 2, np.float32(STEPS / (STEPS - dropped)))
    return torch.from_numpy(kept).view(shape)
