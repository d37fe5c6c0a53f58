"""The equations of the papers, term by term, in float64. Imports nothing of plait, on purpose."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def softmax(x: Array) -> Array:
    powers = np.exp(x)
    return np.asarray(powers / powers.sum())


def sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


def relu(x: Array) -> Array:
    return np.maximum(x, 0.0)


def layer_norm(x: Array, gain: Array, shift: Array) -> Array:
    mean = x.sum() / len(x)
    variance = ((x - mean) ** 2).sum() / len(x)
    return np.asarray((x - mean) / np.sqrt(variance + 1e-5) * gain + shift)


def mlp(x: Array, layers: Sequence[tuple[Array, Array]]) -> Array:
    for weight, bias in layers:
        x = relu(weight @ x + bias)
    return x


def fm(vectors: Sequence[Array]) -> Array:
    """Rendle 2010, eq. 1: the sum over pairs of v_i x_i and v_j x_j, not yet added up."""
    total = np.zeros_like(vectors[0])
    for i in range(len(vectors)):
        for j in range(i + 1, len(vectors)):
            total = total + vectors[i] * vectors[j]
    return total


def dcn_v2(x0: Array, layers: Sequence[tuple[Array, Array]]) -> Array:
    """Wang et al. 2021, eq. 1: x_{l+1} = x_0 * (W_l x_l + b_l) + x_l."""
    x = x0
    for weight, bias in layers:
        x = x0 * (weight @ x + bias) + x
    return x


def dcn_mix(
    x0: Array, layers: Sequence[tuple[Sequence[tuple[Array, Array, Array]], Array, Array]]
) -> Array:
    """Eq. 3 and 4 there: experts (U, C, V) of rank r, their gate's rows, the layer's bias."""
    x = x0
    for experts, gate, bias in layers:
        shares = softmax(gate @ x)
        total = np.zeros_like(x0)
        for share, (u, c, v) in zip(shares, experts, strict=True):
            inner = np.tanh(c @ np.tanh(v.T @ x))
            total = total + share * (x0 * (u @ inner + bias))
        x = total + x
    return x


def autoint(
    fields: Sequence[Array],
    query: Sequence[Array],
    key: Sequence[Array],
    value: Sequence[Array],
    residual: Array,
) -> list[Array]:
    """Song et al. 2019, eq. 5 to 8: one interacting layer; the lists hold a matrix a head."""
    found = []
    for m in fields:
        heads = []
        for q, k, v in zip(query, key, value, strict=True):
            share = softmax(np.array([(q @ m) @ (k @ other) for other in fields]))
            mixed = np.zeros(len(v))
            for weight, other in zip(share, fields, strict=True):
                mixed = mixed + weight * (v @ other)
            heads.append(mixed)
        found.append(relu(np.concatenate(heads) + residual @ m))
    return found


def mask_block(
    guide: Array,
    read: Array,
    first: tuple[Array, Array],
    second: tuple[Array, Array],
    weight: Array,
    norm: tuple[Array, Array],
) -> Array:
    """Wang et al. 2021 (MaskNet), eq. 7 to 10: a mask of the features, on what the block reads."""
    mask = second[0] @ relu(first[0] @ guide + first[1]) + second[1]
    return relu(layer_norm(weight @ (mask * read), *norm))


def final_mlp_gate(
    context: Array, first: tuple[Array, Array], second: tuple[Array, Array]
) -> Array:
    """Mao et al. 2023, eq. 5: 2 sigmoid of a network of the context."""
    hidden = relu(first[0] @ context + first[1])
    return 2 * sigmoid(second[0] @ hidden + second[1])


def bilinear_heads(one: Array, other: Array, matrices: Sequence[Array]) -> list[float]:
    """Eq. 9 there: each head's own piece of both streams, and its product."""
    size = len(one) // len(matrices)
    return [
        float(one[h * size : (h + 1) * size] @ w @ other[h * size : (h + 1) * size])
        for h, w in enumerate(matrices)
    ]


def dlrm(vectors: Sequence[Array], bottom: Array) -> Array:
    """Naumov et al. 2019: the dense vector, then the product of every pair, itself among them."""
    every = [bottom, *vectors]
    pairs = [every[i] @ every[j] for i in range(len(every)) for j in range(i + 1, len(every))]
    return np.concatenate([bottom, np.array(pairs)])
