"""Tasks that depend on one another as a graph says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import ClassVar

import torch
from torch import Tensor, nn

from plait.errors import TaskError
from plait.modules import MLP
from plait.tasks import Task

from .base import Link
from .checks import check_known

__all__ = ["DBMTL"]


class DBMTL(Link):
    """Say which tasks depend on which, and let the later ones read what the earlier have found.

    Deep Bayesian multi-task learning (Wang et al., `Deep Bayesian Multi-Target Learning for
    Recommender Systems <https://arxiv.org/abs/1902.09154>`_, 2019), as a link over any
    architecture. The paper factorises `P(y | x) = prod_k P(y_k | x, y_parents(k))` and lets
    representations stand for the labels: task k reads

        h_k <- relu(W_k [h_k, h_p1, h_p2, ...] + b_k),

    its own representation beside those that its parents read themselves. The graph may be any that
    has no cycle, the tasks of any kind, and their labels need not be joint events. Probabilities
    are not tied: a child may come out likelier than its parent (`Chain` prevents it).

    Stability: experimental.

    Example:
        >>> DBMTL(parents={"buy": ["cart", "click"], "cart": ["click"]}).order
        ('cart', 'buy')

    Args:
        parents: the tasks that each task depends on, by task; tasks without parents are left out.

    Raises:
        TaskError: no edge, a parent named twice, or a cycle, which the message shows.
    """

    ties: ClassVar[str] = "tasks of any kind, in a graph without cycles"
    when: ClassVar[str] = "tasks depend on each other, but not as one funnel"

    def __init__(self, *, parents: Mapping[str, Sequence[str]]) -> None:
        super().__init__()
        self.parents = {task: tuple(above) for task, above in parents.items()}
        if not any(self.parents.values()):
            raise TaskError("DBMTL: `parents` names no parent. Leave the link out.")
        for task, above in self.parents.items():
            if len(set(above)) < len(above):
                raise TaskError(f"DBMTL: the parents of {task!r} hold one twice: {above}.")
        self.order = self._ordered()
        self.layers = nn.ModuleList()

    def check(self, tasks: Mapping[str, Task]) -> None:
        """Refuse names that no task has.

        Raises:
            UnknownNameError: with the nearest name that there is.
        """
        for task, above in self.parents.items():
            check_known((task, *above), tasks, where="DBMTL")

    def build(self, width: int) -> None:
        """A layer for each task that has parents."""
        self.layers = nn.ModuleList(
            MLP(width * (1 + len(self.parents[task])), (width,)) for task in self.order
        )

    def couple(self, representations: dict[str, Tensor]) -> dict[str, Tensor]:
        """Each child's representation, made of its own and its parents'."""
        coupled = dict(representations)
        for task, layer in zip(self.order, self.layers, strict=True):
            read = [representations[task], *(coupled[parent] for parent in self.parents[task])]
            coupled[task] = layer(torch.cat(read, dim=1))
        return coupled

    def extra_repr(self) -> str:
        """The settings, for `repr`."""
        return f"parents={self.parents!r}"

    def _ordered(self) -> tuple[str, ...]:
        """The tasks with parents, parents before children."""
        try:
            order = tuple(TopologicalSorter(self.parents).static_order())
        except CycleError as error:
            cycle = " -> ".join(error.args[1])
            raise TaskError(
                f"DBMTL: the tasks depend on each other in a circle: {cycle}. Take one of these "
                "edges out."
            ) from None
        return tuple(task for task in order if self.parents.get(task))
