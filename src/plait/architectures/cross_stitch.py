"""A network for each task, whose layers read a learnt blend of all the others."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn

from plait.errors import ArchitectureError
from plait.modules import ExpertBank

from .base import Architecture, Encoded, Shared, Widths

__all__ = ["CrossStitch"]


class CrossStitch(Architecture):
    """Let every task have its own network, and learn layer by layer how much they exchange.

    Misra et al., `Cross-stitch Networks for Multi-task Learning
    <https://arxiv.org/abs/1604.03539>`_, 2016. After each layer, what task k hands on is
    `sum_j a_kj h_j`, with one number for each pair of tasks and each layer. The numbers are free:
    they may be negative and need not sum to one. They start at `own` for the task itself, and the
    rest of 1 is divided among the others (the paper's .9 and .1 for two tasks).

    It costs a full network for each task. Try it with two or three tasks; with one it is
    `SharedBottom`.

    Stability: experimental.

    Example:
        >>> stitched = CrossStitch(Widths(main=8), ["click", "like"], layers=(4,))
        >>> {task: [round(a, 3) for a in row] for task, row in stitched.exchange()[0].items()}
        {'click': [0.9, 0.1], 'like': [0.1, 0.9]}

    Args:
        widths: sizes of the inputs.
        tasks: names of the tasks.
        layers: widths of each network.
        own: where the weight of a task's own layer starts.
        dropout: in the networks.

    Raises:
        ArchitectureError: no layer, a width that is not positive, or `own` outside 0 to 1.
    """

    reads_parts: ClassVar[bool] = True
    when: ClassVar[str] = "two or three tasks, and you want to see how much they exchange"

    def __init__(
        self,
        widths: Widths,
        tasks: Sequence[str],
        *,
        layers: Sequence[int] = (256, 128),
        own: float = 0.9,
        dropout: float = 0.2,
    ) -> None:
        super().__init__(widths, tasks)
        if not layers:
            raise ArchitectureError("`layers` is empty: CrossStitch exchanges outputs of layers.")
        if not 0 <= own <= 1:
            raise ArchitectureError(f"`own` must lie between 0 and 1, got {own}.")
        self.layers = tuple(layers)
        self.own = own
        self.dropout = dropout
        count = len(self.tasks)
        self.networks = nn.ModuleList(
            ExpertBank(i, count, (o,), dropout=dropout)
            for i, o in pairwise((widths.main, *self.layers))
        )
        self.stitches = nn.ModuleList(_Stitch(count, own) for _ in self.layers)

    @property
    def out_features(self) -> int:
        """Width of the networks' last layer."""
        return self.layers[-1]

    def share(self, encoded: Encoded) -> Shared:
        """The last layer of each task's network, before the last exchange."""
        read = [self.parts(encoded.main)] * len(self.tasks)
        outputs: tuple[Tensor, ...] = self.networks[0](read)
        for stitch, networks in zip(self.stitches, list(self.networks)[1:], strict=False):
            outputs = networks(stitch(outputs))
        return Shared(outputs)

    def split(self, shared: Shared) -> dict[str, Tensor]:
        """To each task its blend of all last layers."""
        return dict(zip(self.tasks, self.stitches[-1](shared.experts), strict=True))

    def exchange(self) -> list[dict[str, list[float]]]:
        """What each task takes of each task's layer, layer by layer: how much they share."""
        return [
            dict(zip(self.tasks, (row.tolist() for row in stitch.rows), strict=True))
            for stitch in self.stitches
            if isinstance(stitch, _Stitch)
        ]


class _Stitch(nn.Module):
    """One number for each pair of tasks; a task's row is a parameter of its own."""

    def __init__(self, count: int, own: float) -> None:
        super().__init__()
        self.rows = nn.ParameterList()
        for number in range(count):
            row = torch.full((count,), (1 - own) / max(1, count - 1))
            row[number] = own if count > 1 else 1.0
            self.rows.append(nn.Parameter(row))

    def forward(self, outputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """A blend `[B, H]` for each task."""
        stacked = torch.stack(tuple(outputs), dim=1)  # [B, T, H]
        return tuple(torch.einsum("t,bth->bh", row, stacked) for row in self.rows)
