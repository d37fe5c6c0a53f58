"""The mixing of experts by a gate, an expert at a time in one pass over memory, compiled by numba.

Importing this file compiles it, or loads it from numba's cache.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["add_share", "take_share"]

Floats = NDArray[np.float32]

_MATRIX = "float32[:, ::1]"


@numba.njit(
    f"void(int64, {_MATRIX}, {_MATRIX}, {_MATRIX})", cache=True, nogil=True, fastmath={"contract"}
)
def add_share(number: int, weights: Floats, expert: Floats, mixed: Floats) -> None:
    """Weigh an expert `[B, H]` by its column of `weights` `[B, E]`, and add it to `mixed`.

    The first, number 0, is put there.
    """
    rows, width = expert.shape
    for row in range(rows):
        share = weights[row, number]
        if number == 0:
            for column in range(width):
                mixed[row, column] = share * expert[row, column]
        else:
            for column in range(width):
                mixed[row, column] += share * expert[row, column]


@numba.njit(
    f"void(int64, {_MATRIX}, {_MATRIX}, {_MATRIX}, {_MATRIX}, {_MATRIX})",
    cache=True,
    nogil=True,
    fastmath={"reassoc", "contract"},
)
def take_share(
    number: int,
    weights: Floats,
    expert: Floats,
    gradient: Floats,
    products: Floats,
    to_expert: Floats,
) -> None:
    """The gradient of an expert, and that of its weights in its column of `products` `[B, E]`.

    Args:
        number: which expert it is.
        weights: `[B, E]`.
        expert: `[B, H]`.
        gradient: of `mixed`, `[B, H]`.
        products: changed.
        to_expert: changed.
    """
    rows, width = expert.shape
    for row in range(rows):
        share = weights[row, number]
        product = np.float32(0.0)
        for column in range(width):
            product += gradient[row, column] * expert[row, column]
            to_expert[row, column] = share * gradient[row, column]
        products[row, number] = product
