"""A three-layer network in numpy, differentiated by differences: nothing of plait, no autograd."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

INPUTS, WIDTH = 3, 2
SHAPES = {"w1": (3, INPUTS), "b1": (3,), "w2": (3, 3), "b2": (3,), "w3": (WIDTH, 3), "b3": (WIDTH,)}
"""The shared network: layers of 3, 3 and 2, each followed by tanh."""


def draw(rows: int, tasks: int, *, seed: int) -> dict[str, Floats]:
    """Parameters, rows `x`, labels `y` `[B, K]` and heads `v` `[K, WIDTH]`."""
    rng = np.random.default_rng(seed)
    drawn = {name: rng.normal(size=shape) * 0.7 for name, shape in SHAPES.items()}
    labels = (rng.random((rows, tasks)) < 0.4).astype(np.float64)
    return {
        **drawn,
        "x": rng.normal(size=(rows, INPUTS)),
        "y": labels,
        "v": rng.normal(size=(tasks, WIDTH)),
    }


def hidden(flat: Floats, given: dict[str, Floats]) -> Floats:
    """The representation `[B, WIDTH]`."""
    w1, b1, w2, b2, w3, b3 = _parts(flat)
    first = np.tanh(given["x"] @ w1.T + b1)
    second = np.tanh(first @ w2.T + b2)
    return np.tanh(second @ w3.T + b3)


def loss_of(representation: Floats, given: dict[str, Floats], task: int) -> float:
    """Mean cross-entropy of one task."""
    logit = representation @ given["v"][task]
    return float(np.mean(np.logaddexp(0.0, logit) - given["y"][:, task] * logit))


def flat_parameters(given: dict[str, Floats]) -> Floats:
    """All parameters of the shared network, one after another."""
    return np.concatenate([given[name].ravel() for name in SHAPES])


def slope(function: Callable[[Floats], float], at: Floats, *, step: float = 1e-5) -> Floats:
    """Gradient by differences of fourth order."""
    found = np.empty_like(at)
    for place in range(at.size):
        direction = np.zeros_like(at)
        direction.flat[place] = step
        near = function(at + direction) - function(at - direction)
        far = function(at + 2 * direction) - function(at - 2 * direction)
        found.flat[place] = (8 * near - far) / (12 * step)
    return found


def jacobian(given: dict[str, Floats], *, step: float = 1e-5) -> Floats:
    """`[B * WIDTH, P]`: how each number of the representation moves with each parameter."""
    flat = flat_parameters(given)
    columns = []
    for place in range(flat.size):
        direction = np.zeros_like(flat)
        direction[place] = step
        near = hidden(flat + direction, given) - hidden(flat - direction, given)
        far = hidden(flat + 2 * direction, given) - hidden(flat - 2 * direction, given)
        columns.append(((8 * near - far) / (12 * step)).ravel())
    return np.stack(columns, axis=1)


def gradient(given: dict[str, Floats], task: int, *, at: Floats | None = None) -> Floats:
    """Gradient of one task's loss by the parameters, `[P]`."""
    flat = flat_parameters(given) if at is None else at
    return slope(lambda moved: loss_of(hidden(moved, given), given, task), flat)


def _parts(flat: Floats) -> list[Floats]:
    parts, start = [], 0
    for shape in SHAPES.values():
        size = int(np.prod(shape))
        parts.append(flat[start : start + size].reshape(shape))
        start += size
    return parts
