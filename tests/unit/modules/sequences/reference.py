"""The equations of the papers, step by step, in float64. Imports nothing of plait, on purpose."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Layer = tuple[Array, Array]
"""Weight `[out, in]` and bias `[out]`."""


def softmax(x: Array) -> Array:
    powers = np.exp(x)
    return np.asarray(powers / powers.sum())


def sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


def layer_norm(x: Array, gain: Array, shift: Array) -> Array:
    mean = x.sum() / len(x)
    variance = ((x - mean) ** 2).sum() / len(x)
    return np.asarray((x - mean) / np.sqrt(variance + 1e-5) * gain + shift)


def din(items: Sequence[Array], target: Array, layers: Sequence[Layer], slopes: Array) -> Array:
    """Zhou et al. 2018, eq. 3: the sum of a(e_j, v) e_j, with PReLU in a."""
    total = np.zeros_like(target)
    for item in items:
        x = np.concatenate([item, target, item - target, item * target])
        for place, (weight, bias) in enumerate(layers):
            x = weight @ x + bias
            if place < len(slopes):
                x = np.where(x > 0, x, slopes[place] * x)
        total = total + x[0] * item
    return total


def gru(items: Sequence[Array], weights: tuple[Array, Array, Array, Array]) -> Array:
    """Gated recurrent units as torch writes them; W and U hold reset, update, candidate.

    Hidasi et al. 2016, eq. 1 to 4, with the reset gate on `U h` and z and 1 - z the other way
    round, which is a change of names.
    """
    w, u, w_bias, u_bias = weights
    size = u.shape[1]
    state = np.zeros(size)
    for item in items:
        given, kept = w @ item + w_bias, u @ state + u_bias
        reset = sigmoid(given[:size] + kept[:size])
        update = sigmoid(given[size : 2 * size] + kept[size : 2 * size])
        candidate = np.tanh(given[2 * size :] + reset * kept[2 * size :])
        state = (1 - update) * candidate + update * state
    return state


def attention(
    steps: Sequence[Array],
    query: Array,
    key: Array,
    value: Array,
    heads: int,
    *,
    causal: bool,
) -> list[Array]:
    """Heads side by side; a causal step reads itself and what came before."""
    size = len(query) // heads
    found = []
    for i, step in enumerate(steps):
        seen = steps[: i + 1] if causal else steps
        parts = []
        for head in range(heads):
            rows = slice(head * size, (head + 1) * size)
            scores = [(query[rows] @ step) @ (key[rows] @ other) for other in seen]
            share = softmax(np.array(scores) / np.sqrt(size))
            mixed = np.zeros(size)
            for weight, other in zip(share, seen, strict=True):
                mixed = mixed + weight * (value[rows] @ other)
            parts.append(mixed)
        found.append(np.concatenate(parts))
    return found


def sasrec(
    items: Sequence[Array],
    places: Array,
    blocks: Sequence[dict[str, Array]],
    norm: Layer,
    heads: int,
) -> Array:
    """Kang and McAuley 2018, sections III A to C; `places[k]` belongs to the k-th from the end."""
    steps = [item + places[len(items) - 1 - place] for place, item in enumerate(items)]
    for b in blocks:
        normal = [layer_norm(s, b["gain1"], b["shift1"]) for s in steps]
        read = attention(normal, b["query"], b["key"], b["value"], heads, causal=True)
        steps = [s + r for s, r in zip(steps, read, strict=True)]
        normal = [layer_norm(s, b["gain2"], b["shift2"]) for s in steps]
        hidden = [np.maximum(b["w1"] @ n + b["b1"], 0.0) for n in normal]
        steps = [s + b["w2"] @ h + b["b2"] for s, h in zip(steps, hidden, strict=True)]
    return layer_norm(steps[-1], *norm)


def bst(
    items: Sequence[Array],
    target: Array,
    places: Array,
    blocks: Sequence[dict[str, Array]],
    heads: int,
) -> Array:
    """Chen et al. 2019, eq. 1 to 6; the item first, then the latest value, the one before it …"""
    steps = [target + places[0]]
    steps += [item + places[len(items) - place] for place, item in enumerate(items)]
    for b in blocks:
        read = attention(steps, b["query"], b["key"], b["value"], heads, causal=False)
        sums = [s + b["join"] @ r for s, r in zip(steps, read, strict=True)]
        middle = [layer_norm(s, b["gain1"], b["shift1"]) for s in sums]
        hidden = [b["w1"] @ m + b["b1"] for m in middle]
        hidden = [np.where(h > 0, h, 0.01 * h) for h in hidden]
        sums = [m + b["w2"] @ h + b["b2"] for m, h in zip(middle, hidden, strict=True)]
        steps = [layer_norm(s, b["gain2"], b["shift2"]) for s in sums]
    side_by_side = [steps[0], *steps[:0:-1]]
    absent = [np.zeros_like(target)] * (len(places) - len(side_by_side))
    return np.concatenate([*side_by_side, *absent])
