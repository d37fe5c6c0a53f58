"""Where the gradients of the tasks are read, and what can be told of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

__all__ = ["SURFACES", "Cut", "Gradients", "Surface", "gramian", "read_gradients", "shared_places"]

Surface = Literal["shared", "encoded", "tables", "parameters"]
"""Where a rule reads each task's gradient.

`shared`: what experts give and gates read; `encoded`: the features side by side; `tables`: the
vectors that the batch looked up; `parameters`: the dense parameters themselves.
"""
SURFACES: tuple[Surface, ...] = ("shared", "encoded", "tables", "parameters")

TaskGradients = Mapping[str, Sequence[Tensor | None]]
"""Gradient by each tensor of a cut, by task; None where the task does not reach it."""


@dataclass(frozen=True)
class Cut:
    """The tensors of a surface.

    Between the tensors of one cut no gradient flows, except among parameters, which are leaves.

    Attributes:
        surface: which one.
        tensors: each requires a gradient.
    """

    surface: Surface
    tensors: tuple[Tensor, ...]


@dataclass(frozen=True)
class Gradients:
    """What a step saw of the tasks' gradients at a surface.

    Example:
        >>> seen = Gradients(("click", "like"), torch.tensor([[4.0, -1.0], [-1.0, 1.0]]))
        >>> seen.norms["click"], seen.cosines
        (2.0, {('click', 'like'): -0.5})

    Attributes:
        tasks: those whose gradient was read.
        gramian: inner products of their gradients `[T, T]`, before any weight.
    """

    tasks: tuple[str, ...]
    gramian: Tensor

    @property
    def norms(self) -> dict[str, float]:
        """Length of each task's gradient."""
        lengths = self.gramian.diagonal().clamp(min=0).sqrt().tolist()
        return dict(zip(self.tasks, lengths, strict=True))

    @property
    def cosines(self) -> dict[tuple[str, str], float]:
        """Cosine of each pair of tasks whose gradients are not zero; below 0 they conflict."""
        norms, products = list(self.norms.values()), self.gramian.tolist()
        return {
            (first, second): max(-1.0, min(1.0, products[i][j] / (norms[i] * norms[j])))
            for i, first in enumerate(self.tasks)
            for j, second in enumerate(self.tasks)
            if i < j and norms[i] > 0 and norms[j] > 0
        }


def read_gradients(losses: Mapping[str, Tensor], tensors: Sequence[Tensor]) -> TaskGradients:
    """Each loss's gradient by each tensor. The graph stays; nothing below the tensors is run."""
    return {
        task: torch.autograd.grad(loss, tensors, retain_graph=True, allow_unused=True)
        if loss.requires_grad
        else (None,) * len(tensors)
        for task, loss in losses.items()
    }


def shared_places(gradients: TaskGradients) -> list[int]:
    """Places of the tensors that two losses or more reach: the graph says what is shared."""
    reached = zip(*gradients.values(), strict=True)
    return [
        place for place, row in enumerate(reached) if sum(entry is not None for entry in row) > 1
    ]


@torch.no_grad()
def gramian(gradients: TaskGradients, places: Sequence[int]) -> Tensor:
    """Inner products of the tasks' gradients over some tensors: float64 `[T, T]`, on the CPU."""
    total = torch.zeros(len(gradients), len(gradients), dtype=torch.float64)
    for place in places:
        found = [(k, g[place]) for k, g in enumerate(gradients.values())]
        there = [(k, gradient) for k, gradient in found if gradient is not None]
        rows = torch.stack([gradient.flatten() for _, gradient in there])
        rows = rows if rows.dtype == torch.float64 else rows.float()
        numbers = torch.tensor([k for k, _ in there])
        total[numbers.unsqueeze(1), numbers] += (rows @ rows.T).double().cpu()
    return total
