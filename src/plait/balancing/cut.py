"""Where the gradients of the tasks are read, and what can be told of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

__all__ = ["SURFACES", "Cut", "Gradients", "Surface", "TaskGradients", "read_gradients"]

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
        groups: what each belongs to, a layer or a stage, for what is told of conflicts; empty: it
            is not known.
        beside: what goes past the surface to a single task, at the same stage. With it the cut is
            whole, and a backward pass need not run twice what lies above.
    """

    surface: Surface
    tensors: tuple[Tensor, ...]
    groups: tuple[str, ...] = ()
    beside: tuple[Tensor, ...] = ()


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
        groups: the parts of `gramian` that come from each group of tensors.
    """

    tasks: tuple[str, ...]
    gramian: Tensor
    groups: Mapping[str, Tensor] = field(default_factory=dict)

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

    @property
    def conflicts(self) -> dict[str, float]:
        """By group, the share of pairs of tasks that conflict, of those whose gradients are there.

        A group that fewer than two tasks reach has no entry.
        """
        found = {}
        for name, products in self.groups.items():
            there = products.diagonal() > 0
            below = torch.triu(products[there][:, there] < 0, diagonal=1)
            pairs = int(there.sum()) * (int(there.sum()) - 1) // 2
            if pairs:
                found[name] = float(below.sum()) / pairs
        return found


def read_gradients(losses: Mapping[str, Tensor], tensors: Sequence[Tensor]) -> TaskGradients:
    """Each loss's gradient by each tensor. The graph stays; nothing below the tensors is run."""
    return {
        task: torch.autograd.grad(loss, tensors, retain_graph=True, allow_unused=True)
        if loss.requires_grad
        else (None,) * len(tensors)
        for task, loss in losses.items()
    }
