"""The equations of the papers, term by term, in float64. Imports nothing of plait, on purpose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Layers = Sequence[tuple[Array, Array]]
"""Weight `[out, in]` and bias `[out]` of each layer of one expert."""


def expert(x: Array, layers: Layers) -> Array:
    """One row through one expert: linear, ReLU, layer after layer."""
    for weight, bias in layers:
        x = np.maximum(weight @ x + bias, 0.0)
    return x


def softmax(x: Array) -> Array:
    powers = np.exp(x)
    return np.asarray(powers / powers.sum())


def mixture(gate: Array, outputs: Sequence[Array]) -> Array:
    total = np.zeros_like(outputs[0])
    for weight, output in zip(gate, outputs, strict=True):
        total = total + weight * output
    return total


def mmoe(x: Array, experts: Sequence[Layers], gates: Sequence[Array]) -> list[Array]:
    """Ma et al. 2018, eq. 6 and 7: f_k = sum_i softmax(W_gk x)_i f_i(x)."""
    outputs = [expert(x, layers) for layers in experts]
    return [mixture(softmax(gate @ x), outputs) for gate in gates]


@dataclass
class Level:
    """One level: gates of task k weigh its own experts, then the shared ones.

    The shared gate, which the last level lacks, weighs the own experts of task 1, 2, ..., then the
    shared ones.
    """

    own: Sequence[Sequence[Layers]]
    shared: Sequence[Layers]
    gates: Sequence[Array]
    shared_gate: Array | None


def ple(x: Array, levels: Sequence[Level], num_tasks: int) -> list[Array]:
    """Tang et al. 2020, eq. 5 to 8."""
    task_input = [x] * num_tasks
    shared_input = x
    for level in levels:
        shared = [expert(shared_input, layers) for layers in level.shared]
        own = [[expert(task_input[k], layers) for layers in level.own[k]] for k in range(num_tasks)]
        mixed = [
            mixture(softmax(level.gates[k] @ task_input[k]), own[k] + shared)
            for k in range(num_tasks)
        ]
        if level.shared_gate is not None:
            every = [output for outputs in own for output in outputs] + shared
            shared_input = mixture(softmax(level.shared_gate @ shared_input), every)
        task_input = mixed
    return task_input
