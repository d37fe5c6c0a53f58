"""The frame of a rule that reads gradients: read them, weigh them, and run one backward pass."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from plait.errors import ConfigurationError, TrainingError

from .base import Balancer, Cost, preferred, weighted_backward
from .cut import (
    SURFACES,
    Cut,
    Gradients,
    Surface,
    TaskGradients,
    gramian,
    read_gradients,
    shared_places,
)

__all__ = ["GradientBalancer"]


class GradientBalancer(Balancer):
    """A rule that weighs tasks by the inner products of their gradients at a surface.

    Each loss is differentiated down to the surface, at which the tensors count that two losses or
    more reach. The rule turns the inner products into weights, and one ordinary backward pass
    follows in which the weighted sum of gradients takes the place of the plain one at the surface.
    So what lies below is run once, tables keep their row-sparse gradients, and what only one task
    reaches (its tower, its gate, its own experts) gets its plain gradient. On the surface
    `parameters` the tables below get the weighted gradient as well.

    A task that is not in the batch, whose loss is not finite or whose gradient is not, is left out
    of the step. One whose gradient is zero has the weight 1 and no say. With one task left the step
    is a plain one.

    Where a paper's weights sum to 1, they are multiplied by the number of tasks, so that a weight
    of 1 means here what it means in `Equal`.

    Attributes:
        hears_scale: whether a loss that is twice as large is heard twice as much, so that a
            preference belongs before the rule; else it multiplies the rule's weights.

    Args:
        surface: `shared` (what experts give and gates read), `encoded` (the features side by side),
            `tables` (the vectors that the batch looked up) or `parameters` (the dense parameters
            that two losses reach: exact, and slowest).

    Raises:
        ConfigurationError: no such surface.
    """

    surfaces: tuple[Surface, ...] = SURFACES
    cost: Cost = "gradient a task"
    needs_gradients = True
    hears_scale: bool = False

    def __init__(self, *, surface: Surface = "shared") -> None:
        if surface not in self.surfaces:
            raise ConfigurationError(
                f"{type(self).__name__}: `surface` is one of "
                f"{', '.join(map(repr, self.surfaces))}; got {surface!r}."
            )
        self.surface: Surface = surface

    @abstractmethod
    def weigh(self, gramian: Tensor, losses: Mapping[str, float]) -> Tensor:
        """The weights `[T]` of this step; state goes one step on.

        Args:
            gramian: inner products of the gradients, float64 `[T, T]` on the CPU; finite, and no
                gradient is zero. At least two tasks.
            losses: of these tasks, in the order of the rows.
        """

    def backward(
        self, losses: Mapping[str, Tensor], penalty: Tensor | None, cut: Cut | None = None
    ) -> dict[str, float]:
        """Read each task's gradient at the cut, weigh them, and run one backward pass.

        Raises:
            ConfigurationError: no cut, or nothing at it that two tasks share.
            TrainingError: the rule gave weights that are not finite.
        """
        self.gradients = None
        if len(losses) < 2:
            alone = preferred(dict.fromkeys(losses, 1.0), self.preference)
            weighted_backward(losses, alone, penalty)
            return alone
        if cut is None:
            raise ConfigurationError(
                f"{type(self).__name__} needs a `cut`: the tensors at which it reads gradients."
            )
        found = read_gradients(losses, cut.tensors)
        places = shared_places(found)
        if not places:
            raise ConfigurationError(self._nothing_shared(losses))
        weights = self._weights(found, places, losses)
        kept = {task: loss for task, loss in losses.items() if weights[task] is not None}
        in_effect = {task: weight or 0.0 for task, weight in weights.items()}
        if cut.surface == "parameters":
            _backward_to_parameters(kept, in_effect, penalty, cut.tensors, found)
        else:
            weighed = {
                cut.tensors[place]: _weighed(column, in_effect)
                for place in places
                if (column := _column(found, place, kept))
            }
            del found  # a gradient a task: too much to hold beside a backward pass
            _backward_through(kept, penalty, weighed)
        return in_effect

    def _weights(
        self, found: TaskGradients, places: Sequence[int], losses: Mapping[str, Tensor]
    ) -> dict[str, float | None]:
        """The weights by task; None for one whose gradient is not finite."""
        products = gramian(found, places)
        squares = products.diagonal().tolist()
        tasks = tuple(losses)
        is_finite = [square < float("inf") for square in squares]
        weights: dict[str, float | None] = {
            task: 1.0 if fine else None for task, fine in zip(tasks, is_finite, strict=True)
        }
        seen = [place for place, fine in enumerate(is_finite) if fine]
        self.gradients = Gradients(tuple(tasks[place] for place in seen), _among(products, seen))
        heard = [place for place in seen if squares[place] > 0]
        if len(heard) < 2:
            return weights
        values = {tasks[place]: float(losses[tasks[place]].detach()) for place in heard}
        given = self._weigh(_among(products, heard), values)
        if not bool(given.isfinite().all()):
            raise TrainingError(
                f"{type(self).__name__} gave weights that are not finite: "
                f"{dict(zip(values, given.tolist(), strict=True))}."
            )
        return weights | dict(zip(values, given.tolist(), strict=True))

    def _weigh(self, products: Tensor, losses: Mapping[str, float]) -> Tensor:
        """The weights of the rule, with the preference where there is one."""
        if self.preference is None:
            return self.weigh(products, losses)
        times = torch.tensor([self.preference[task] for task in losses], dtype=products.dtype)
        heard = times.nonzero().flatten().tolist() if self.hears_scale else range(len(times))
        if len(heard) < 2:
            return times
        kept = times[list(heard)]
        named = [list(losses)[place] for place in heard]
        if self.hears_scale:
            longer = _among(products, heard) * torch.outer(kept, kept)
            scaled = {task: losses[task] * self.preference[task] for task in named}
            weights = self.weigh(longer, scaled)
        else:
            weights = self.weigh(products, losses)
        found = torch.zeros_like(times)
        found[list(heard)] = weights * kept
        return found

    def _nothing_shared(self, losses: Mapping[str, Tensor]) -> str:
        others = [repr(name) for name in self.surfaces if name != self.surface]
        return (
            f"{type(self).__name__}: at the surface {self.surface!r} nothing is reached by two of "
            f"the tasks {', '.join(losses)}, so there is nothing to balance there. Set `surface` "
            f"to {' or '.join(others)}, or take `Equal`."
        )


def _among(products: Tensor, places: Sequence[int]) -> Tensor:
    chosen = torch.tensor(places, dtype=torch.long)
    return products[chosen.unsqueeze(1), chosen]


def _column(found: TaskGradients, place: int, kept: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Gradients by one tensor, of the tasks that take part and reach it."""
    by_task = {task: found[task][place] for task in kept}
    return {task: gradient for task, gradient in by_task.items() if gradient is not None}


def _weighed(gradients: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """The sum of gradients by one tensor, by weights."""
    first, *others = gradients
    total = gradients[first] * weights[first]
    for task in others:
        total.add_(gradients[task], alpha=weights[task])
    return total


def _backward_through(
    losses: Mapping[str, Tensor], penalty: Tensor | None, weighed: Mapping[Tensor, Tensor]
) -> None:
    """One backward pass; at these tensors the weighed gradients stand for the plain ones."""
    if penalty is not None and penalty.requires_grad:
        own = torch.autograd.grad(penalty, tuple(weighed), retain_graph=True, allow_unused=True)
        for gradient, extra in zip(weighed.values(), own, strict=True):
            if extra is not None:
                gradient.add_(extra)
    hooks = [tensor.register_hook(_replaced_by(given)) for tensor, given in weighed.items()]
    try:
        weighted_backward(losses, dict.fromkeys(losses, 1.0), penalty)
    finally:
        for hook in hooks:
            hook.remove()


def _backward_to_parameters(
    losses: Mapping[str, Tensor],
    weights: Mapping[str, float],
    penalty: Tensor | None,
    tensors: Sequence[Tensor],
    found: TaskGradients,
) -> None:
    """One backward pass of the weighted losses; what one task alone reaches is not weighed."""
    hooks = []
    for place, tensor in enumerate(tensors):
        column = _column(found, place, losses)
        if len(column) == 1:
            ((task, gradient),) = column.items()
            hooks.append(tensor.register_hook(_added(gradient * (1.0 - weights[task]))))
    # A task of weight 0 stays in the sum: what it alone reaches has its gradient from the hook.
    terms = [loss * weights[task] for task, loss in losses.items()]
    try:
        torch.stack([*terms, *([] if penalty is None else [penalty])]).sum().backward()
    finally:
        for hook in hooks:
            hook.remove()


def _replaced_by(gradient: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda _: gradient


def _added(gradient: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda given: given + gradient
