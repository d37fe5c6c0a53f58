"""In which precision matrices are multiplied."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from plait.models import Precision

__all__ = ["multiplying"]


def multiplying(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """A forward pass stands in this block; where there is a backward pass, it follows the block."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)
