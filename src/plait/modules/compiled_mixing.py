"""The mixing of experts by a gate in one pass over memory, compiled by numba."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from . import kernels
from .team import in_parts

__all__ = ["mixed", "unmixed"]


def mixed(weights: Tensor, experts: Sequence[Tensor]) -> Tensor:
    """The weighted sum `[B, H]` of experts.

    Args:
        weights: `[B, E]`.
        experts: E tensors `[B, H]`.
    """
    found = torch.empty_like(experts[0])
    rows, width = found.shape
    in_parts(kernels.mix, (rows, width, len(experts), weights, found, *experts))
    return found


def unmixed(
    weights: Tensor, experts: Sequence[Tensor], gradient: Tensor, added_to: list[Tensor]
) -> tuple[Tensor, list[Tensor]]:
    """The gradients of the logits `[B, E]` and of each expert `[B, H]`, from that of the sum.

    Args:
        weights: `[B, E]`, the softmax of the logits.
        experts: E tensors `[B, H]`.
        gradient: `[B, H]`.
        added_to: gradients of the experts, to which these are added in place; empty: none yet.
    """
    to_logits = torch.empty_like(weights)
    to_experts = added_to or [torch.empty_like(expert) for expert in experts]
    rows, width = gradient.shape
    shape = (rows, width, len(experts), int(bool(added_to)))
    in_parts(kernels.unmix, (*shape, weights, gradient, to_logits, *experts, *to_experts))
    return to_logits, to_experts
