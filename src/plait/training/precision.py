"""In which precision matrices are multiplied while a model trains."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from .settings import Training

__all__ = ["multiplying"]


def multiplying(settings: Training, device: torch.device) -> AbstractContextManager[object]:
    """The forward pass of a step stands in this block; its backward pass follows it."""
    if settings.precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)
