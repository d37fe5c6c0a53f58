"""Whether blocks may use their compiled form: a switch that the trainer sets while it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

__all__ = ["compiled_blocks", "may_compile"]

_compiled = ContextVar("compiled", default=False)


@contextmanager
def compiled_blocks(*, allowed: bool) -> Iterator[None]:
    """Let blocks use their compiled form for as long as the block runs, or keep them from it."""
    token = _compiled.set(allowed)
    try:
        yield
    finally:
        _compiled.reset(token)


def may_compile(*tensors: Tensor) -> bool:
    """Whether the compiled form is allowed here and knows these tensors: float32, on the CPU."""
    return _compiled.get() and all(
        tensor.device.type == "cpu" and tensor.dtype == torch.float32 for tensor in tensors
    )
