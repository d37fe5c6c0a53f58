"""A softmax gate and its mixing of experts in one pass over memory, compiled by numba.

Importing this file compiles it, or loads it from numba's cache.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["mix_backward", "mix_forward"]

Floats = NDArray[np.float32]

_MATRIX, _CUBE = "float32[:, ::1]", "float32[:, :, ::1]"


@numba.njit(
    f"void({_MATRIX}, {_CUBE}, {_MATRIX}, {_MATRIX})",
    cache=True,
    nogil=True,
    fastmath={"contract"},
)
def mix_forward(logits: Floats, experts: Floats, weights: Floats, mixed: Floats) -> None:
    """Softmax of `logits` `[B, E]` into `weights`; experts `[B, E, H]` weighed into `mixed`."""
    rows, number = logits.shape
    width = experts.shape[2]
    for row in range(rows):
        highest = logits[row, 0]
        for expert in range(1, number):
            highest = max(highest, logits[row, expert])
        total = np.float32(0.0)
        for expert in range(number):
            share = np.exp(logits[row, expert] - highest)
            weights[row, expert] = share
            total += share
        for expert in range(number):
            weights[row, expert] /= total
        for column in range(width):
            mixed[row, column] = weights[row, 0] * experts[row, 0, column]
        for expert in range(1, number):
            share = weights[row, expert]
            for column in range(width):
                mixed[row, column] += share * experts[row, expert, column]


@numba.njit(
    f"void({_MATRIX}, {_CUBE}, {_MATRIX}, {_MATRIX}, {_CUBE})",
    cache=True,
    nogil=True,
    fastmath={"reassoc", "contract"},
)
def mix_backward(
    weights: Floats, experts: Floats, gradient: Floats, to_logits: Floats, to_experts: Floats
) -> None:
    """Gradients of `logits` and `experts`, from that of `mixed` `[B, H]`."""
    rows, number = weights.shape
    width = experts.shape[2]
    for row in range(rows):
        mean = np.float32(0.0)
        for expert in range(number):
            share = weights[row, expert]
            product = np.float32(0.0)
            for column in range(width):
                product += gradient[row, column] * experts[row, expert, column]
                to_experts[row, expert, column] = share * gradient[row, column]
            to_logits[row, expert] = product
            mean += share * product
        for expert in range(number):
            to_logits[row, expert] = weights[row, expert] * (to_logits[row, expert] - mean)
