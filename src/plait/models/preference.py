"""One network for every preference between its tasks: gates that read the preference."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor, nn

from plait.errors import ConfigurationError, TaskError, UnknownNameError
from plait.modules import GateUnit

__all__ = ["PreferenceGates", "preferring", "ray_of"]

_ray: ContextVar[tuple[float, ...] | None] = ContextVar("ray", default=None)


@contextmanager
def preferring(ray: Sequence[float] | None) -> Iterator[None]:
    """Let networks with gates read this ray for as long as the block runs.

    Args:
        ray: share of each task, in their order. None: equal shares.
    """
    token = _ray.set(None if ray is None else tuple(ray))
    try:
        yield
    finally:
        _ray.reset(token)


def ray_of(preference: Mapping[str, float], tasks: Sequence[str]) -> tuple[float, ...]:
    """The shares that a preference gives to the tasks; they sum to 1.

    Example:
        >>> ray_of({"click": 3.0, "like": 1.0}, ["click", "like", "buy"])
        (0.75, 0.25, 0.0)

    Args:
        preference: by task, on any scale; a task that is not named counts 0.
        tasks: all of them, in order.

    Raises:
        UnknownNameError: a name that is no task.
        TaskError: a number below 0, one that is not finite, or none above 0.
    """
    for name in preference:
        if name not in tasks:
            raise UnknownNameError(name, what="task", known=tasks, where="`preference`")
    total = math.fsum(preference.values())
    if any(not 0 <= share < math.inf for share in preference.values()) or not 0 < total < math.inf:
        raise TaskError(
            "`preference` must hold numbers of at least 0, one of them positive; got "
            f"{dict(preference)}. Write it as in {dict.fromkeys(tasks, 1.0)}."
        )
    return tuple(preference.get(task, 0.0) / total for task in tasks)


class PreferenceGates(nn.Module):
    """Bend a network to a preference between its tasks.

    Gates as in `PPNet` (`GateUnit`), whose prior is the ray: a factor between 0 and 2 for each
    entry of what the shared network reads, and for each entry of what it gives to a task,

        E <- 2 sigmoid(W' relu(W K r + b) + b') * E.

    A ray belongs to a batch, so the gates are computed once a batch, and cost next to nothing.
    Without a ray (`preferring`) all tasks have equal shares.

    Stability: experimental.

    Args:
        num_tasks: K.
        in_features: width of what the shared network reads.
        out_features: width of what it gives to a task.
        hidden: width of the gates' hidden layers.
    """

    def __init__(
        self, num_tasks: int, in_features: int, out_features: int, *, hidden: int = 32
    ) -> None:
        super().__init__()
        self.num_tasks = num_tasks
        self.out_features = out_features
        self.hidden = hidden
        self.of_input = GateUnit((num_tasks,), in_features, hidden=hidden)
        self.of_tasks = GateUnit((num_tasks,), num_tasks * out_features, hidden=hidden)

    def scale_input(self, main: Tensor) -> Tensor:
        """`[B, D]`, each column by its factor."""
        scaled: Tensor = main * self.of_input(self._read(main))
        return scaled

    def scale_tasks(self, representations: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """`[B, H]` by task, each column by its factor."""
        first = next(iter(representations.values()))
        factors = self.of_tasks(self._read(first)).view(self.num_tasks, self.out_features)
        return {
            task: representation * factor
            for (task, representation), factor in zip(
                representations.items(), factors.unbind(), strict=True
            )
        }

    def _read(self, like: Tensor) -> Tensor:
        ray = _ray.get() or (1 / self.num_tasks,) * self.num_tasks
        if len(ray) != self.num_tasks:
            raise ConfigurationError(
                f"A ray of {len(ray)} shares was given to a network of {self.num_tasks} tasks."
            )
        return torch.tensor([ray], dtype=like.dtype, device=like.device) * self.num_tasks
