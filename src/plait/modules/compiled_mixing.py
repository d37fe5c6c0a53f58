"""The mixing of experts by a gate in one pass over memory, compiled by numba.

Importing this file compiles it, or loads it from numba's cache.
"""

from __future__ import annotations

from collections.abc import Sequence

import numba
import numpy as np
import torch
from torch import Tensor

from .team import KERNEL, Place, bounds, in_parts, matrix, numbers_at, take_part

__all__ = ["mixed", "unmixed"]

ROWS_AT_ONCE = 16
"""What is added up for so many rows stays near the processor."""


def mixed(weights: Tensor, experts: Sequence[Tensor]) -> Tensor:
    """The weighted sum `[B, H]` of experts.

    Args:
        weights: `[B, E]`.
        experts: E tensors `[B, H]`.
    """
    found = torch.empty_like(experts[0])
    rows, width = found.shape
    in_parts(_mix, (rows, width, len(experts), weights, found, *experts))
    return found


def unmixed(
    weights: Tensor, experts: Sequence[Tensor], gradient: Tensor
) -> tuple[Tensor, list[Tensor]]:
    """The gradients of the logits `[B, E]` and of each expert `[B, H]`, from that of the sum.

    Args:
        weights: `[B, E]`, the softmax of the logits.
        experts: E tensors `[B, H]`.
        gradient: `[B, H]`.
    """
    to_logits = torch.empty_like(weights)
    to_experts = [torch.empty_like(expert) for expert in experts]
    rows, width = gradient.shape
    shape = (rows, width, len(experts))
    in_parts(_unmix, (*shape, weights, gradient, to_logits, *experts, *to_experts))
    return to_logits, to_experts


@numba.cfunc(KERNEL, cache=True, fastmath={"contract"}, error_model="numpy")
def _mix(place: Place) -> None:
    told = numbers_at(place)
    rows, width, num_experts = told[2], told[3], told[4]
    weights = matrix(told[5], rows, num_experts)
    found = matrix(told[6], rows, width)
    part, parts = take_part(place)
    first, last = bounds(part, parts, rows)
    for begin in range(first, last, ROWS_AT_ONCE):
        end = min(begin + ROWS_AT_ONCE, last)
        for number in range(num_experts):
            expert = matrix(told[7 + number], rows, width)
            for row in range(begin, end):
                share = weights[row, number]
                if number == 0:
                    for column in range(width):
                        found[row, column] = share * expert[row, column]
                else:
                    for column in range(width):
                        found[row, column] += share * expert[row, column]


@numba.cfunc(KERNEL, cache=True, fastmath={"reassoc", "contract"}, error_model="numpy")
def _unmix(place: Place) -> None:
    told = numbers_at(place)
    rows, width, num_experts = told[2], told[3], told[4]
    weights = matrix(told[5], rows, num_experts)
    gradient = matrix(told[6], rows, width)
    to_logits = matrix(told[7], rows, num_experts)
    part, parts = take_part(place)
    first, last = bounds(part, parts, rows)
    for begin in range(first, last, ROWS_AT_ONCE):
        end = min(begin + ROWS_AT_ONCE, last)
        for number in range(num_experts):
            expert = matrix(told[8 + number], rows, width)
            to_expert = matrix(told[8 + num_experts + number], rows, width)
            for row in range(begin, end):
                share = weights[row, number]
                product = np.float32(0.0)
                for column in range(width):
                    product += gradient[row, column] * expert[row, column]
                    to_expert[row, column] = share * gradient[row, column]
                to_logits[row, number] = product
        for row in range(begin, end):  # through the softmax
            mean = np.float32(0.0)
            for number in range(num_experts):
                mean += weights[row, number] * to_logits[row, number]
            for number in range(num_experts):
                to_logits[row, number] = weights[row, number] * (to_logits[row, number] - mean)
