"""Precisions, and in which of them the vectors of ids are kept."""

from __future__ import annotations

from typing import Literal, get_args

from torch import nn

from plait.errors import ConfigurationError
from plait.modules import Tables

__all__ = ["Precision", "set_table_precision"]

Precision = Literal["fp32", "bf16"]
"""Of numbers: 24 binary digits, or 8 over the same range."""

_VECTORS = ("tables", "own_tables", "factor_tables")
"""Parts of a model that hold vectors; what else has tables holds biases and single numbers."""


def set_table_precision(model: nn.Module, precision: Precision) -> None:
    """Keep the vectors of a new model in this precision.

    Raises:
        ConfigurationError: there is no such precision.
    """
    if precision not in get_args(Precision):
        raise ConfigurationError(f"`table_precision` is 'fp32' or 'bf16', got {precision!r}.")
    for name, part in model.named_modules():
        is_half = precision == "bf16" and name.partition(".")[0] in _VECTORS
        if is_half and isinstance(part, Tables):
            part.halve()
