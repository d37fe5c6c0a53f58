"""How fast this machine multiplies matrices of a model's shapes: what no training step can beat."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from plait.models import MultiTaskModel

from .network import dense_weights, size_of

__all__ = ["Limit", "machine_limit"]

MOST_SHAPES = 4
SECONDS = 0.1
"""How long each shape is measured."""
PASSES = 3
"""A training step multiplies three times: forward, and backward to inputs and to weights."""


@dataclass(frozen=True)
class Limit:
    """What the machine could do, if a step were nothing but the products of its matrices.

    Attributes:
        in_features: inputs of the layer whose shape is multiplied fastest.
        out_features: its outputs.
        flops: additions and multiplications a second, in that shape.
        rows_per_second: training rows a second at that rate.
    """

    in_features: int
    out_features: int
    flops: float
    rows_per_second: float


def machine_limit(model: MultiTaskModel, *, rows: int) -> Limit:
    """Multiply matrices of the model's largest layers, as its training step does, for a moment.

    Every layer is taken to run as fast as the fastest of them, so this is a limit and no estimate.

    Args:
        model: its dense layers tell the shapes.
        rows: in a batch.
    """
    weights = list(dense_weights(model))
    work: Counter[tuple[int, int]] = Counter()
    for weight in weights:
        out_features, in_features = weight.shape[-2:]
        work[in_features, out_features] += weight.numel()
    rates = {shape: _rate(weights[0], rows, *shape) for shape, _ in work.most_common(MOST_SHAPES)}
    shape, rate = max(rates.items(), key=lambda found: found[1])
    return Limit(*shape, flops=2 * rate, rows_per_second=rate / size_of(model).training)


def _rate(like: Tensor, rows: int, in_features: int, out_features: int) -> float:
    """Multiply-adds a second of the three products of one layer; the best of several rounds."""
    inputs = like.new_ones(rows, in_features)
    weight = like.new_ones(out_features, in_features)
    outputs, back, gradient = inputs @ weight.T, torch.empty_like(inputs), torch.empty_like(weight)

    def multiply() -> None:
        torch.mm(inputs, weight.T, out=outputs)
        torch.mm(outputs, weight, out=back)
        torch.mm(outputs.T, inputs, out=gradient)

    with torch.inference_mode():
        best = _fastest(multiply, like.device)
    return PASSES * rows * in_features * out_features / best


def _fastest(work: Callable[[], None], device: torch.device) -> float:
    """Seconds of the fastest round; as many rounds as the time allows, three at least."""
    began, rounds = time.perf_counter(), list[float]()
    while len(rounds) < 3 or time.perf_counter() - began < SECONDS:
        start = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        rounds.append(time.perf_counter() - start)
    return min(rounds)
