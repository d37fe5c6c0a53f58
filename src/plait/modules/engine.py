"""Which form blocks may use: compiled, while the trainer says so; plain, to be counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

__all__ = ["compiled_blocks", "is_plain", "may_compile", "plain_products"]

_compiled = ContextVar("compiled", default=False)
_plain = ContextVar("plain", default=False)


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


@contextmanager
def plain_products() -> Iterator[None]:
    """Let blocks use products of matrices wherever they can: what counters of operations know."""
    token = _plain.set(True)
    try:
        yield
    finally:
        _plain.reset(token)


def is_plain() -> bool:
    """Whether only operations are wanted that a counter or an export knows."""
    return _plain.get() or torch.compiler.is_compiling()
