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


def sigmoid(x: Array) -> Array:
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


def cross_stitch(
    x: Array, networks: Sequence[Sequence[tuple[Array, Array]]], stitches: Sequence[Array]
) -> list[Array]:
    """Misra et al. 2016, eq. 1, layer by layer: h~_k = sum_j a_kj h_j.

    `networks[l][k]` is layer l of task k; `stitches[l]` is the matrix a of layer l.
    """
    num_tasks = len(networks[0])
    read = [x] * num_tasks
    for layers, stitch in zip(networks, stitches, strict=True):
        outputs = [expert(read[k], [layers[k]]) for k in range(num_tasks)]
        read = [
            np.asarray(sum(stitch[k, j] * outputs[j] for j in range(num_tasks)))
            for k in range(num_tasks)
        ]
    return read


@dataclass
class Unit:
    """One unit of AdaTT: its experts, its gate over all experts, its residual weights.

    A unit that hands nothing on (the shared one of the last level) has neither of the last two.
    """

    experts: Sequence[Layers]
    gate: Array | None
    residual: Array | None


def adatt(x: Array, levels: Sequence[Sequence[Unit]], num_tasks: int) -> list[Array]:
    """Li et al. 2023: f_u = AllExpertGF(x_u) + NativeExpertLF(x_u)."""
    read = [x] * len(levels[0])
    for units in levels:
        native = [[expert(read[u], e) for e in unit.experts] for u, unit in enumerate(units)]
        every = [output for outputs in native for output in outputs]
        handed = []
        for u, unit in enumerate(units):
            if unit.gate is None or unit.residual is None:
                continue
            all_experts = mixture(softmax(unit.gate @ read[u]), every)
            handed.append(all_experts + mixture(unit.residual, native[u]))
        read = handed
    return read[:num_tasks]


@dataclass
class GateNU:
    """Weights of a gate neural unit: W, b, W', b'."""

    inner: tuple[Array, Array]
    outer: tuple[Array, Array]


def gate_nu(u: Array, gate: GateNU) -> Array:
    """Chang et al. 2023, eq. 1 and 2, with gamma = 2."""
    hidden = np.maximum(gate.inner[0] @ u + gate.inner[1], 0.0)
    return 2.0 * sigmoid(gate.outer[0] @ hidden + gate.outer[1])


def epnet(x: Array, scenario: Array, gate: GateNU) -> Array:
    """Chang et al. 2023, eq. 4 and 5: O = delta(E_domain, sg E) * E."""
    return gate_nu(np.concatenate([scenario, x]), gate) * x


def ppnet(x: Array, prior: Array, layers: Layers, gates: Sequence[GateNU]) -> Array:
    """Chang et al. 2023, eq. 7 to 9, for one task: every hidden layer is scaled by its gate."""
    hidden = x
    for layer, gate in zip(layers, gates, strict=True):
        hidden = expert(hidden, [layer]) * gate_nu(np.concatenate([prior, x]), gate)
    return hidden


def star(
    x: Array, shared: Layers, own: Layers, auxiliary: tuple[Array, Layers, Array, Array] | None
) -> Array:
    """Sheng et al. 2021, eq. 9 and 10: W* = W o W_s, b* = b + b_s; `own` is the row's scenario.

    The auxiliary network reads the scenario's vector and the features: hidden layers, then a
    linear one.
    """
    hidden = x
    for (weight, bias), (own_weight, own_bias) in zip(shared, own, strict=True):
        hidden = np.maximum((weight * own_weight) @ hidden + (bias + own_bias), 0.0)
    if auxiliary is None:
        return hidden
    vector, layers, weight, bias = auxiliary
    return np.asarray(hidden + weight @ expert(np.concatenate([vector, x]), layers) + bias)


def stem(
    own: Sequence[Array],
    shared: Array,
    experts: tuple[Sequence[Sequence[Layers]], Sequence[Layers]],
    gates: Sequence[Array],
) -> list[Array]:
    """Su et al. 2024, eq. 4 to 7: task k weighs all experts by a gate that reads x_k + x_s.

    `own[k]` is the row with the vectors of task k, `shared` with the shared ones; `experts` are
    those of each task and the shared ones. The stopped gradient changes no value.
    """
    of_tasks, of_all = experts
    outputs = [expert(x, layers) for x, bank in zip(own, of_tasks, strict=True) for layers in bank]
    outputs += [expert(shared, layers) for layers in of_all]
    return [
        mixture(softmax(gate @ (x + shared)), outputs) for x, gate in zip(own, gates, strict=True)
    ]


@dataclass
class HomeExpert:
    """An expert of HoME: its feature gate B, A; layers of weight, bias, scale and shift."""

    narrow: Array
    wide: Array
    layers: Sequence[tuple[Array, Array, Array, Array]]


def home_expert(z: Array, e: HomeExpert) -> Array:
    """Wang et al. 2025: swish(norm(W x + b)), layer by layer, with x = z * 2 sigmoid(A B z)."""
    x = z * 2.0 * sigmoid(e.wide @ (e.narrow @ z))
    for weight, bias, scale, shift in e.layers:
        y = weight @ x + bias
        y = (y - y.mean()) / np.sqrt(((y - y.mean()) ** 2).mean() + 1e-5) * scale + shift
        x = y * sigmoid(y)
    return x


@dataclass
class HomeUnit:
    """A group in the first level, or a task in the second."""

    own: Sequence[HomeExpert]
    gate: Array
    self_gate: Array


def home_unit(z: Array, gate_reads: Array, others: Sequence[Array], unit: HomeUnit) -> Array:
    """The mixture of other experts and own ones, and the self gate's sum over the own ones."""
    own = [home_expert(z, e) for e in unit.own]
    scores = unit.self_gate @ z
    alone = mixture(softmax(scores) if len(own) > 1 else sigmoid(scores), own)
    return mixture(softmax(unit.gate @ gate_reads), [*others, *own]) + alone


@dataclass
class Home:
    """Both levels of HoME; `group_of[k]` is the place of task k's group."""

    first_world: Sequence[HomeExpert]
    first_gate: Array
    groups: Sequence[HomeUnit]
    world: Sequence[HomeExpert]
    group_experts: Sequence[Sequence[HomeExpert]]
    tasks: Sequence[HomeUnit]
    group_of: Sequence[int]


def home(x: Array, net: Home) -> list[Array]:
    """Wang et al. 2025: meta experts, then global, group and task experts under a mask."""
    meta = [home_expert(x, e) for e in net.first_world]
    z0 = mixture(softmax(net.first_gate @ x), meta)
    z = [home_unit(x, x, meta, unit) for unit in net.groups]
    world = [home_expert(z0, e) for e in net.world]
    found = []
    for group, unit in zip(net.group_of, net.tasks, strict=True):
        others = world + [home_expert(z[group], e) for e in net.group_experts[group]]
        found.append(home_unit(z[group], np.concatenate([z[group], z0]), others, unit))
    return found
