"""The frame of a rule that reads gradients: read them, weigh them, and run one backward pass."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence

import torch
from torch import Tensor

from plait.errors import ConfigurationError, TrainingError

from .base import Balancer, Cost, Part, Weights, in_effect, preferred, weighted_backward
from .cut import SURFACES, Gradients, Surface
from .look import Look, processes

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

    def look(self, look: Look, part: Part, *, is_only: bool = False) -> None:
        """Read each task's gradient at the cut; not where there is but one task in the step.

        Raises:
            ConfigurationError: no cut.
        """
        if is_only and len(part.losses) < 2 and processes() == 1:
            look.add(part.losses)
            return
        if part.cut is None:
            raise ConfigurationError(
                f"{type(self).__name__} needs a `cut`: the tensors at which it reads gradients."
            )
        look.add(part.losses, part.cut, is_only=is_only)

    def decide(self, look: Look) -> Weights:
        """The weights by the inner products of the gradients.

        Raises:
            ConfigurationError: there is nothing at the cut that two tasks share.
            TrainingError: the rule gave weights that are not finite.
        """
        self.gradients = None
        tasks = tuple(look.losses)
        if len(tasks) < 2:
            return preferred(dict.fromkeys(tasks, 1.0), self.preference)
        if not look.shared:
            raise ConfigurationError(self._nothing_shared(tasks))
        products = look.gramian()
        squares = products.diagonal().tolist()
        is_finite = [square < float("inf") for square in squares]
        weights: dict[str, float | None] = {
            task: 1.0 if fine else None for task, fine in zip(tasks, is_finite, strict=True)
        }
        seen = [place for place, fine in enumerate(is_finite) if fine]
        self.gradients = Gradients(
            tuple(tasks[place] for place in seen),
            _among(products, seen),
            {group: _among(part, seen) for group, part in look.by_group().items()},
        )
        heard = [place for place in seen if squares[place] > 0]
        if len(heard) < 2:
            return weights
        values = {tasks[place]: float(look.losses[tasks[place]]) for place in heard}
        given = self._weigh(_among(products, heard), values)
        if not bool(given.isfinite().all()):
            raise TrainingError(
                f"{type(self).__name__} gave weights that are not finite: "
                f"{dict(zip(values, given.tolist(), strict=True))}."
            )
        return weights | dict(zip(values, given.tolist(), strict=True))

    def apply(self, part: Part, weights: Weights, look: Look) -> None:
        """One ordinary backward pass, in which weighed gradients stand in at what is shared."""
        kept = {task: loss for task, loss in part.losses.items() if weights[task] is not None}
        numbers = in_effect(weights)
        if not look.shared or part.cut is None:
            weighted_backward(kept, numbers, part.penalty)
        elif part.cut.surface == "parameters":
            _backward_of_all(kept, numbers, part.penalty)
            _unweigh_what_is_alone(part.cut.tensors, weights, look)
        elif look.above is not None:
            _backward_from(part.cut.tensors, kept, part.penalty, numbers, look)
        else:
            tensors = [part.cut.tensors[place] for place in look.shared]
            weighed = _weighed(tensors, kept, numbers, look)
            _backward_through(kept, part.penalty, weighed)

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

    def _nothing_shared(self, tasks: Sequence[str]) -> str:
        others = [repr(name) for name in self.surfaces if name != self.surface]
        return (
            f"{type(self).__name__}: at the surface {self.surface!r} nothing is reached by two of "
            f"the tasks {', '.join(tasks)}, so there is nothing to balance there. Set `surface` "
            f"to {' or '.join(others)}, or take `Equal`."
        )


def _among(products: Tensor, places: Sequence[int]) -> Tensor:
    chosen = torch.tensor(places, dtype=torch.long)
    return products[chosen.unsqueeze(1), chosen]


def _backward_from(
    tensors: Sequence[Tensor],
    tasks: Collection[str],
    penalty: Tensor | None,
    weights: Mapping[str, float],
    look: Look,
) -> None:
    """The backward pass below the cut; above it, the gradients are those that were read."""
    held, above = look.gradients or {}, look.above or {}
    look.gradients = look.above = None  # a gradient a task: much beside a backward pass
    found: dict[Tensor, Tensor] = {}
    for task in tasks:
        for place, gradient in enumerate(held[task]):
            if gradient is not None:
                weight = weights[task] if place in look.shared else 1.0
                _add_to(found, tensors[place], gradient, weight)
        for tensor, gradient in above[task]:
            if tensor.is_leaf:
                tensor.grad = gradient if tensor.grad is None else tensor.grad + gradient
            else:
                _add_to(found, tensor, gradient, 1.0)
    del held, above
    ends, gradients = list(found), [*found.values()]
    if penalty is not None and penalty.requires_grad:
        ends.append(penalty)
        gradients.append(torch.ones_like(penalty))
    if ends:
        torch.autograd.backward(ends, gradients)


def _add_to(sums: dict[Tensor, Tensor], tensor: Tensor, gradient: Tensor, weight: float) -> None:
    held = sums.get(tensor)
    if held is None:
        sums[tensor] = gradient * weight
    else:
        held.add_(gradient, alpha=weight)


def _weighed(
    tensors: Sequence[Tensor],
    losses: Mapping[str, Tensor],
    weights: Mapping[str, float],
    look: Look,
) -> dict[Tensor, Tensor]:
    """The weighted sum of the gradients by each of these tensors, the shared ones of a look."""
    held, look.gradients = look.gradients, None  # a gradient a task: much beside a backward pass
    if held is None:
        return _differentiated(tensors, losses, weights)
    found: dict[Tensor, Tensor] = {}
    for place, tensor in zip(look.shared, tensors, strict=True):
        for task in losses:
            gradient = held[task][place]
            if gradient is not None:
                _add_to(found, tensor, gradient, weights[task])
    return found


def _differentiated(
    tensors: Sequence[Tensor], losses: Mapping[str, Tensor], weights: Mapping[str, float]
) -> dict[Tensor, Tensor]:
    """The gradient of the weighted sum of losses by each of these tensors that it reaches."""
    terms = [loss * weights[task] for task, loss in losses.items() if loss.requires_grad]
    if not terms:
        return {}
    total = torch.stack(terms).sum()
    found: Sequence[Tensor | None] = torch.autograd.grad(
        total, tensors, retain_graph=True, allow_unused=True
    )
    pairs = zip(tensors, found, strict=True)
    return {tensor: gradient for tensor, gradient in pairs if gradient is not None}


def _backward_through(
    losses: Mapping[str, Tensor], penalty: Tensor | None, weighed: Mapping[Tensor, Tensor]
) -> None:
    """One backward pass; at these tensors the weighed gradients stand for the plain ones."""
    if weighed and penalty is not None and penalty.requires_grad:
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


def _backward_of_all(
    losses: Mapping[str, Tensor], weights: Mapping[str, float], penalty: Tensor | None
) -> None:
    """One backward pass; what weighs 0 stays in the sum, so that a gradient of 0 is one."""
    terms = [loss * weights[task] for task, loss in losses.items()]
    if penalty is not None:
        terms.append(penalty)
    if terms:
        torch.stack(terms).sum().backward()


def _unweigh_what_is_alone(parameters: Sequence[Tensor], weights: Weights, look: Look) -> None:
    """Give what one task alone reaches its plain gradient, where it has got the weighted one."""
    held = look.gradients or {}
    for place, parameter in enumerate(parameters):
        column = {
            task: gradient
            for task in held
            if weights[task] is not None and (gradient := held[task][place]) is not None
        }
        if len(column) == 1:
            ((task, gradient),) = column.items()
            missing = gradient * ((1.0 - (weights[task] or 0.0)) / look.parts)
            parameter.grad = missing if parameter.grad is None else parameter.grad + missing


def _replaced_by(gradient: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda _: gradient
