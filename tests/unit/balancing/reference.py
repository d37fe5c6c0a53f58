"""The papers' rules, written down literally in float64 numpy. Nothing of plait is imported."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


def gradients(tasks: int, width: int, *, seed: int, spread: float = 1.0) -> Matrix:
    """Random gradients `[K, P]` whose lengths differ by factors up to `10^spread`."""
    rng = np.random.default_rng(seed)
    scales = 10.0 ** rng.uniform(-spread / 2, spread / 2, tasks)
    found: Matrix = rng.normal(size=(tasks, width)) * scales[:, None]
    return found


def conflicting_triple() -> Matrix:
    """Three gradients, each pair of them at an obtuse angle."""
    return np.array([[1.0, 0.2, 0.0], [-0.6, 0.8, 0.1], [-0.3, -0.7, 0.6]])


def cosine(one: Matrix, other: Matrix) -> float:
    """Of two directions."""
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def mgda_of_two(g: Matrix) -> Matrix:
    """The closed form of Sener and Koltun for two tasks."""
    first = (g[1] - g[0]) @ g[1] / ((g[0] - g[1]) @ (g[0] - g[1]))
    first = min(max(first, 0.0), 1.0)
    return np.array([first, 1 - first])


def pcgrad(g: Matrix, orders: Sequence[Sequence[int]]) -> Matrix:
    """The direction of Yu et al.: task i meets the others in its own order."""
    total = np.zeros(g.shape[1])
    for i, order in enumerate(orders):
        changed = g[i].copy()
        for j in order:
            if j != i and changed @ g[j] < 0:
                changed = changed - changed @ g[j] / (g[j] @ g[j]) * g[j]
        total += changed
    return total


def imtl_g(g: Matrix) -> Matrix:
    """Liu et al., equation 6: `α_2..K = g_1 Uᵀ (D Uᵀ)^-1`, and α_1 the rest."""
    unit = g / np.linalg.norm(g, axis=1, keepdims=True)
    d = g[0] - g[1:]
    u = unit[0] - unit[1:]
    rest = g[0] @ u.T @ np.linalg.inv(d @ u.T)
    return np.append(1 - rest.sum(), rest)


def aligned_mtl(g: Matrix) -> Matrix:
    """Senushkin et al., algorithm 1, from the eigenvalues of the Gramian; `w_0 = 1/K`."""
    values, vectors = np.linalg.eigh(g @ g.T)
    w_0 = np.full(len(g), 1 / len(g))
    balance = math.sqrt(values.min()) * vectors @ np.diag(values**-0.5) @ vectors.T
    found: Matrix = balance @ w_0
    return found


def upgrad(g: Matrix) -> Matrix:
    """Direction of Quinton and Rey: mean of the gradients projected on `{d: G d >= 0}`.

    Each projection tries every set of active constraints and takes the nearest point that is in
    the cone.
    """
    total = np.zeros(g.shape[1])
    for gradient in g:
        best, nearest = math.inf, gradient
        for mask in range(2 ** len(g)):
            active = [j for j in range(len(g)) if mask >> j & 1]
            point = gradient
            if active:
                a = g[active]
                point = gradient - a.T @ np.linalg.solve(a @ a.T, a @ gradient)
            away = float((point - gradient) @ (point - gradient))
            if (g @ point).min() >= -1e-12 and away < best:
                best, nearest = away, point
        total += nearest / len(g)
    return total


def cagrad_value(g: Matrix, w: Matrix, c: float) -> float:
    """What Liu et al. make least on the simplex."""
    g_0, g_w = g.mean(axis=0), w @ g
    return float(g_w @ g_0 + c * np.linalg.norm(g_0) * np.linalg.norm(g_w))


def cagrad_direction(g: Matrix, w: Matrix, c: float) -> Matrix:
    """Their step for given weights."""
    g_0, g_w = g.mean(axis=0), w @ g
    found: Matrix = g_0 + c * np.linalg.norm(g_0) / np.linalg.norm(g_w) * g_w
    return found


class GradNormReference:
    """Chen et al., algorithm 1, on one layer, weights stepped by the Adam that is given."""

    def __init__(self, tasks: int, *, alpha: float, learning_rate: float) -> None:
        self.alpha = alpha
        self.weights = np.ones(tasks)
        self.adam = Adam(tasks, learning_rate)
        self.first: Matrix | None = None

    def step(self, g: Matrix, losses: Matrix) -> Matrix:
        """The weights of this step; afterwards they move."""
        if self.first is None:
            self.first = losses.copy()
        used = self.weights.copy()
        norms = np.array([np.linalg.norm(w * row) for w, row in zip(used, g, strict=True)])
        ratios = losses / self.first
        rates = ratios / ratios.mean()
        target = norms.mean() * rates**self.alpha
        slope = np.sign(norms - target) * np.linalg.norm(g, axis=1)
        self.weights = self.weights - self.adam.step(slope)
        self.weights = len(used) * self.weights / self.weights.sum()
        return used


class Adam:
    """Kingma and Ba, algorithm 1."""

    def __init__(self, size: int, learning_rate: float) -> None:
        self.learning_rate = learning_rate
        self.m, self.v, self.t = np.zeros(size), np.zeros(size), 0

    def step(self, slope: Matrix) -> Matrix:
        """What is to be taken off."""
        self.t += 1
        self.m = 0.9 * self.m + 0.1 * slope
        self.v = 0.999 * self.v + 0.001 * slope**2
        mean, square = self.m / (1 - 0.9**self.t), self.v / (1 - 0.999**self.t)
        found: Matrix = self.learning_rate * mean / (np.sqrt(square) + 1e-8)
        return found
