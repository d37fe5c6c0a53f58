"""Each step of a funnel hands on what it knows to the next."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn

from plait.errors import TaskError
from plait.tasks import Task

from .base import Link, Seen
from .checks import check_known, not_a_probability, unlike_spaces

__all__ = ["AITM"]


class AITM(Link):
    """Let each step of a long funnel read what the step before it has found.

    Adaptive information transfer multi-task (Xi et al., `Modeling the Sequential Dependence among
    Audience Multi-step Conversions <https://arxiv.org/abs/2105.08489>`_, 2021), as a link over any
    architecture. With `q_t` the representation of step t, `z_1 = q_1` and
    `p_t = W z_{t-1} + b`, step t reads

        z_t = sum_{u in {p_t, q_t}} w_u h1(u),   w = softmax_u(<h2(u), h3(u)> / sqrt(d)),

    where h1, h2 and h3 are linear. Each pair of steps has layers of its own. A calibrator adds
    `alpha · mean(max(p(t) - p(t-1), 0))` to the loss of step t, because a later step cannot be
    likelier than the one before it; it is a nudge, no guarantee (`Chain` gives one). We couple the
    representations before the towers, the paper those after them.

    Labels are joint events on the same rows: "approved", then "approved and activated". Try it on
    funnels of three steps or more.

    Stability: experimental.

    Example:
        >>> AITM(tasks=["click", "cart", "buy"])
        AITM(
          tasks=('click', 'cart', 'buy'), alpha=0.6
          (transfers): ModuleList()
          (attentions): ModuleList()
        )

    Args:
        tasks: the binary tasks in the order of the funnel, the first step first.
        alpha: weight of the calibrator; 0: none.

    Raises:
        TaskError: fewer than two steps, one of them twice, or a negative `alpha`.
    """

    ties: ClassVar[str] = "binary tasks of one funnel on the same rows; labels are joint events"
    when: ClassVar[str] = "the funnel has three steps or more"

    def __init__(self, *, tasks: Sequence[str], alpha: float = 0.6) -> None:
        super().__init__()
        self.tasks = tuple(tasks)
        self.alpha = alpha
        problems = []
        if len(self.tasks) < 2:
            problems.append(f"`tasks` must hold at least two steps, got {self.tasks}")
        if len(set(self.tasks)) < len(self.tasks):
            problems.append(f"`tasks` holds a step twice: {self.tasks}")
        if alpha < 0:
            problems.append(f"`alpha` must not be negative, got {alpha}")
        if problems:
            raise TaskError("AITM: " + "; ".join(problems) + ".")
        self.transfers, self.attentions = nn.ModuleList(), nn.ModuleList()

    def check(self, tasks: Mapping[str, Task]) -> None:
        """Refuse tasks that are not steps of one funnel.

        Raises:
            UnknownNameError: a step is not among the tasks.
            TaskError: they cannot be tied; the message holds every reason.
        """
        check_known(self.tasks, tasks, where="AITM")
        problems = list(self._problems(tasks))
        if problems:
            raise TaskError("AITM: " + "; ".join(problems) + ".")

    def build(self, width: int) -> None:
        """A transfer and an attention for each pair of steps."""
        steps = len(self.tasks) - 1
        self.transfers = nn.ModuleList(nn.Linear(width, width) for _ in range(steps))
        self.attentions = nn.ModuleList(_Attention(width) for _ in range(steps))

    def couple(self, representations: dict[str, Tensor]) -> dict[str, Tensor]:
        """Each step's representation with what the steps before it hand on."""
        first, *others = self.tasks
        coupled = dict(representations)
        found = representations[first]
        for task, transfer, attend in zip(others, self.transfers, self.attentions, strict=True):
            found = attend((transfer(found), representations[task]))
            coupled[task] = found
        return coupled

    def losses(self, losses: dict[str, Tensor], seen: Seen) -> dict[str, Tensor]:
        """To each later step's loss, what its probability exceeds the step before by."""
        if self.alpha == 0:
            return losses
        calibrated = dict(losses)
        for before, task in pairwise(self.tasks):
            weight = seen.weights[task] * (seen.weights[before] > 0)
            total = weight.sum()
            if task not in losses or not total > 0:
                continue
            earlier, later = (seen.parameters[t].squeeze(-1).sigmoid() for t in (before, task))
            excess = (weight * (later - earlier).relu()).sum() / total
            calibrated[task] = calibrated[task] + self.alpha * excess
        return calibrated

    def extra_repr(self) -> str:
        """The settings, for `repr`."""
        return f"tasks={self.tasks!r}, alpha={self.alpha}"

    def _problems(self, tasks: Mapping[str, Task]) -> Iterable[str]:
        for name in self.tasks:
            yield from not_a_probability(tasks[name], why="its calibrator compares probabilities")
        for before, name in pairwise(self.tasks):
            yield from unlike_spaces(tasks[before], tasks[name])


class _Attention(nn.Module):
    """Weighs what was handed on against what the task has found itself."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = math.sqrt(width)
        self.h1, self.h2, self.h3 = (nn.Linear(width, width) for _ in range(3))

    def forward(self, found: Sequence[Tensor]) -> Tensor:
        """`[B, H]` from two of them."""
        stacked = torch.stack(tuple(found), dim=1)  # [B, 2, H]
        scores = (self.h2(stacked) * self.h3(stacked)).sum(dim=2) / self.scale  # [B, 2]
        weights = scores.softmax(dim=1).unsqueeze(2)
        taken: Tensor = (weights * self.h1(stacked)).sum(dim=1)
        return taken
