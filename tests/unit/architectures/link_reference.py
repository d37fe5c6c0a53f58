"""The equations of couplings, row by row, in float64. Imports nothing of plait, on purpose."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Linear = tuple[Array, Array]


def sigmoid(z: float) -> float:
    return 1.0 / (1.0 + math.exp(-z))


def cross_entropy(y: float, p: float) -> float:
    return -y * math.log(p) - (1.0 - y) * math.log(1.0 - p)


def linear(x: Array, layer: Linear) -> Array:
    return np.asarray(layer[0] @ x + layer[1])


def ait(p: Array, q: Array, h1: Linear, h2: Linear, h3: Linear) -> Array:
    """Xi et al. 2021, eq. 6 to 8."""
    scores = [float(linear(u, h2) @ linear(u, h3)) / math.sqrt(len(u)) for u in (p, q)]
    powers = [math.exp(score) for score in scores]
    total = np.zeros(len(q))
    for u, power in zip((p, q), powers, strict=True):
        total = total + power / sum(powers) * linear(u, h1)
    return total


def aitm(
    q: Sequence[Array], transfers: Sequence[Linear], attentions: Sequence[Sequence[Linear]]
) -> list[Array]:
    """Xi et al. 2021, eq. 4 and 5: z_1 = q_1, z_t = AIT(g(z_{t-1}), q_t)."""
    z = [q[0]]
    for own, transfer, (h1, h2, h3) in zip(q[1:], transfers, attentions, strict=True):
        z.append(ait(linear(z[-1], transfer), own, h1, h2, h3))
    return z


def calibrator(earlier: Sequence[float], later: Sequence[float], weights: Sequence[float]) -> float:
    """Xi et al. 2021, eq. 12, a weighted mean: max(y_t - y_{t-1}, 0), from logits."""
    rows = zip(earlier, later, weights, strict=True)
    return sum(w * max(sigmoid(b) - sigmoid(a), 0.0) for a, b, w in rows) / sum(weights)


def dbmtl(
    h: Mapping[str, Array], parents: Mapping[str, Sequence[str]], layers: Mapping[str, Linear]
) -> dict[str, Array]:
    """Wang et al. 2019: h_k = f_k([h_k, h_parents(k)]), by recursion from each task upwards."""

    def found(task: str) -> Array:
        if not parents.get(task):
            return h[task]
        read = np.concatenate([h[task], *(found(parent) for parent in parents[task])])
        return np.maximum(linear(read, layers[task]), 0.0)

    return {task: found(task) for task in h}


def escm2(
    estimator: str,
    *,
    o: Sequence[float],
    r: Sequence[float],
    click: Sequence[float],
    convert: Sequence[float],
    weights: Sequence[float],
    clip: float,
    imputed: Sequence[float] = (),
) -> float:
    """Wang et al. 2022, eq. 6 (IPS), self-normalised, and 9 and 10 (DR); arguments in logits.

    `imputed` are logits of the soft labels from which the imputed error is made.
    """
    total, weight_of_inverse, imputation = 0.0, 0.0, 0.0
    for i, w in enumerate(weights):
        o_hat = max(sigmoid(click[i]), clip)
        r_hat = sigmoid(convert[i])
        e = cross_entropy(r[i], r_hat)
        if estimator == "dr":
            e_hat = cross_entropy(sigmoid(imputed[i]), r_hat)
            total += w * (e_hat + o[i] * (e - e_hat) / o_hat)
            imputation += w * o[i] * (e - e_hat) ** 2 / o_hat
        else:
            total += w * o[i] * e / o_hat
        weight_of_inverse += w * o[i] / o_hat
    if estimator == "snips":
        return total / weight_of_inverse
    return (total + imputation) / sum(weights)


def dcmt(
    *,
    o: Sequence[float],
    r: Sequence[float],
    click: Sequence[float],
    convert: Sequence[float],
    mirror: Sequence[float],
    weights: Sequence[float],
    clip: float,
    tie: float,
) -> float:
    """Zhu et al. 2023, with self-normalised weights; arguments in logits."""
    factual = counterfactual = tied = of_clicked = of_others = 0.0
    for i, w in enumerate(weights):
        o_hat = min(max(sigmoid(click[i]), clip), 1.0 - clip)
        r_hat, r_star = sigmoid(convert[i]), sigmoid(mirror[i])
        if o[i] == 1.0:
            factual += w * cross_entropy(r[i], r_hat) / o_hat
            of_clicked += w / o_hat
        else:
            counterfactual += w * cross_entropy(1.0 - 0.0, r_star) / (1.0 - o_hat)
            of_others += w / (1.0 - o_hat)
        tied += w * abs(1.0 - (r_hat + r_star))
    return factual / of_clicked + counterfactual / of_others + tie * tied / sum(weights)


def nise(
    *,
    o: Sequence[float],
    r: Sequence[float],
    convert: Sequence[float],
    weights: Sequence[float],
    click_loss: float,
    alpha: float,
    beta: float,
) -> float:
    """Huang et al. 2024: w / |D| (sum_O e(r, p) + sum_N e(p, p)).

    The weight is w = alpha min(L_click / L, beta).
    """
    total = 0.0
    for i, w in enumerate(weights):
        p = sigmoid(convert[i])
        total += w * (cross_entropy(r[i], p) if o[i] == 1.0 else cross_entropy(p, p))
    loss = total / sum(weights)
    return alpha * min(click_loss / loss, beta) * loss
