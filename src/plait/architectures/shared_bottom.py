"""One network that all tasks read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor

from plait.modules import MLP

from .base import Architecture, Encoded, Shared, Widths

__all__ = ["SharedBottom"]


class SharedBottom(Architecture):
    """Let all tasks read one network: the cheapest form of sharing, and the first to try.

    Caruana, `Multitask Learning <https://doi.org/10.1023/A:1007379606734>`_, 1997. It costs one
    forward pass whatever the number of tasks. Where tasks conflict they pull at the same weights;
    try `MMoE` or `PLE` then.

    Stability: stable.

    Example:
        >>> import torch
        >>> bottom = SharedBottom(Widths(main=8), ["click", "like"], layers=(16, 4))
        >>> shared = bottom.share(Encoded(torch.zeros(2, 8)))
        >>> {task: tuple(vector.shape) for task, vector in bottom.split(shared).items()}
        {'click': (2, 4), 'like': (2, 4)}

    Args:
        widths: sizes of the inputs.
        tasks: names of the tasks.
        layers: widths of the network.
        dropout: in the network.

    Raises:
        ArchitectureError: a width that is not positive.
    """

    reads_parts: ClassVar[bool] = True
    when: ClassVar[str] = "time counts: one pass for any number of tasks"

    def __init__(
        self,
        widths: Widths,
        tasks: Sequence[str],
        *,
        layers: Sequence[int] = (256, 128),
        dropout: float = 0.2,
    ) -> None:
        super().__init__(widths, tasks)
        self.layers = tuple(layers)
        self.dropout = dropout
        self.bottom = MLP(widths.main, self.layers, dropout=dropout)

    @property
    def out_features(self) -> int:
        """Width of the network's last layer."""
        return self.bottom.out_features

    def share(self, encoded: Encoded) -> Shared:
        """The network's output."""
        return Shared((self.bottom(self.parts(encoded.main)),))

    def split(self, shared: Shared) -> dict[str, Tensor]:
        """To every task the same."""
        (bottom,) = shared.experts
        return dict.fromkeys(self.tasks, bottom)
