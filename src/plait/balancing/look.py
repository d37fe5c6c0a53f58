"""What the losses of a step have to say to a rule, over all its parts and all processes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, distributed

from .above import leaves_above
from .cut import Cut, TaskGradients, read_gradients

__all__ = ["Look", "mean_of", "mean_over_processes", "processes"]

T = TypeVar("T")


class Products(NamedTuple):
    """Inner products of the gradients by one tensor of a surface.

    Attributes:
        place: of the tensor, among those of the cut.
        tasks: whose loss reaches it.
        values: float64 `[T, T]` on the CPU, in the order of `tasks`.
    """

    place: int
    tasks: tuple[str, ...]
    values: Tensor


class Look:
    """The losses of one step, and the inner products of their gradients at a surface.

    The rows of a step may come in several parts, one at a time in memory, and from several
    processes. The losses of a part are divided by the number of parts before they come here. A
    surface between stages has a row for each row of the batch, so the gradient of the whole step is
    that of one part beside that of the next, and products add up. On `parameters` the gradients do.

    Attributes:
        losses: by task, detached; sums over the parts.
        gradients: each task's gradient by each tensor: of the one part there is or, on
            `parameters`, sums over the parts. None: not read, or not kept.
        above: each task's gradients by what lies above the surface or goes past it, of the one
            part there is. None: not read, or not to be told from what comes from below.
        parts: how many were added.
        shared: places of the tensors that two losses or more reach, in whichever part; `close`
            finds them.
    """

    def __init__(self) -> None:
        self.losses: dict[str, Tensor] = {}
        self.gradients: dict[str, list[Tensor | None]] | None = None
        self.above: dict[str, list[tuple[Tensor, Tensor]]] | None = None
        self.shared: tuple[int, ...] = ()
        self._products: list[Products] = []
        self.parts = 0
        self._parameters: tuple[Tensor, ...] = ()
        self._groups: tuple[str, ...] = ()

    def add(
        self, losses: Mapping[str, Tensor], cut: Cut | None = None, *, is_only: bool = False
    ) -> None:
        """Take in one part of the step; with a cut, its gradients. The graph stays.

        Args:
            losses: by task.
            cut: where gradients are read.
            is_only: whether this is the only part, whose gradients are kept for the backward pass.
        """
        for task, loss in losses.items():
            before = self.losses.get(task)
            self.losses[task] = loss.detach() if before is None else before + loss.detach()
        self.parts += 1
        if cut is None:
            return
        self._groups = cut.groups
        if cut.surface == "parameters":
            self._parameters = cut.tensors
            self._add_gradients(read_gradients(losses, cut.tensors))
        elif is_only and processes() == 1:  # more of them average what a backward pass leaves
            self._read_all(losses, cut)
        else:
            self._products += _products(read_gradients(losses, cut.tensors))

    def close(self) -> None:
        """All parts are there: take in what other processes saw, and see what is shared."""
        if processes() > 1:
            self._gather()
        if self._parameters:
            self._products = _products(self.gradients or {}, least=2)
        reached: dict[int, set[str]] = {}
        for entry in self._products:
            reached.setdefault(entry.place, set()).update(entry.tasks)
        self.shared = tuple(sorted(place for place, tasks in reached.items() if len(tasks) > 1))

    def gramian(self) -> Tensor:
        """Inner products of the tasks' gradients over what is shared: float64 `[T, T]`."""
        return self._summed(self.shared)

    def by_group(self) -> dict[str, Tensor]:
        """The parts of `gramian` that come from each group of tensors."""
        places: dict[str, list[int]] = {}
        for place in self.shared if self._groups else ():
            places.setdefault(self._groups[place], []).append(place)
        return {group: self._summed(of) for group, of in places.items()}

    def _summed(self, places: Collection[int]) -> Tensor:
        numbers = {task: number for number, task in enumerate(self.losses)}
        total = torch.zeros(len(numbers), len(numbers), dtype=torch.float64)
        for place, tasks, values in self._products:
            if place in places:
                chosen = torch.tensor([numbers[task] for task in tasks])
                total[chosen.unsqueeze(1), chosen] += values
        return total

    def _read_all(self, losses: Mapping[str, Tensor], cut: Cut) -> None:
        """Gradients at the surface, and in the same pass those of what lies above it."""
        leaves = leaves_above(losses, (*cut.tensors, *cut.beside))
        self.gradients, self.above = {}, None if leaves is None else {}
        for task, loss in losses.items():
            beyond = () if leaves is None else (*cut.beside, *leaves[task])
            found = read_gradients({task: loss}, (*cut.tensors, *beyond))[task]
            self.gradients[task] = list(found[: len(cut.tensors)])
            if self.above is not None:
                pairs = zip(beyond, found[len(cut.tensors) :], strict=True)
                self.above[task] = [(t, g) for t, g in pairs if g is not None]
        self._products = _products(self.gradients)

    def _add_gradients(self, found: TaskGradients) -> None:
        held = self.gradients or {}
        for task, gradients in found.items():
            before = held.get(task, [None] * len(gradients))
            held[task] = [
                one if other is None else other if one is None else one + other
                for one, other in zip(before, gradients, strict=True)
            ]
        self.gradients = held

    def _gather(self) -> None:
        """Every process is to hold the means: of losses, and of what products stand for."""
        gradients = self.gradients if self._parameters else None
        mine = (
            {task: float(loss) for task, loss in self.losses.items()},
            self._products,
            {t: [g is not None for g in row] for t, row in (gradients or {}).items()},
        )
        seen = _from_all(mine)
        self.losses = {
            task: torch.tensor(loss) for task, loss in mean_of([one for one, _, _ in seen]).items()
        }
        self._products = [
            entry._replace(values=entry.values / len(seen) ** 2)
            for _, products, _ in seen
            for entry in products
        ]
        if self._parameters:
            self._mean_gradients([reached for _, _, reached in seen])

    def _mean_gradients(self, seen: Sequence[Mapping[str, Sequence[bool]]]) -> None:
        """In turn each gradient that some process has; one that has none brings zeros."""
        held, means = self.gradients or {}, {}
        for task in dict.fromkeys(task for reached in seen for task in reached):
            row: list[Tensor | None] = []
            for place, parameter in enumerate(self._parameters):
                if not any(reached[task][place] for reached in seen if task in reached):
                    row.append(None)
                    continue
                mine = held[task][place] if task in held else None
                total = torch.zeros_like(parameter) if mine is None else mine.clone()
                distributed.all_reduce(total)
                row.append(total / len(seen))
            means[task] = row
        self.gradients = means


def processes() -> int:
    """How many processes train together: 1 where no process group of torch's was set up."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def mean_over_processes(losses: Mapping[str, float]) -> dict[str, float]:
    """The mean of each loss; a process that lacks it counts 0, as it does for the gradient."""
    return dict(losses) if processes() == 1 else mean_of(_from_all(dict(losses)))


def _from_all(mine: T) -> list[T]:
    found: list[T | None] = [None] * processes()
    distributed.all_gather_object(found, mine)
    return [one for one in found if one is not None]


def mean_of(seen: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each loss over batches or processes; one that lacks it counts 0."""
    tasks = dict.fromkeys(task for losses in seen for task in losses)
    return {task: sum(losses.get(task, 0.0) for losses in seen) / len(seen) for task in tasks}


@torch.no_grad()
def _products(gradients: TaskGradients, *, least: int = 1) -> list[Products]:
    """By tensor that so many tasks reach at least."""
    found = []
    for place, column in enumerate(zip(*gradients.values(), strict=True)):
        there = {
            task: gradient.flatten()
            for task, gradient in zip(gradients, column, strict=True)
            if gradient is not None
        }
        if len(there) >= least:
            found.append(Products(place, tuple(there), _inner(list(there.values()))))
    return found


def _inner(rows: Sequence[Tensor]) -> Tensor:
    """Inner products of vectors, float64 `[T, T]` on the CPU; half precision adds up in single."""
    full = [row if row.dtype == torch.float64 else row.float() for row in rows]
    if not full[0].is_cpu:
        stacked = torch.stack(full)
        return (stacked @ stacked.T).double().cpu()
    total = torch.empty(len(full), len(full), dtype=torch.float64)
    for i, one in enumerate(full):
        for j, other in enumerate(full[: i + 1]):  # a product of few long rows costs a copy more
            total[i, j] = total[j, i] = torch.dot(one, other)
    return total
