"""One network for each task: the baseline that says whether sharing helped."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar, Literal

from torch import Tensor, nn

from plait.errors import ArchitectureError
from plait.modules import MLP

from .base import Architecture, Encoded, Shared, Widths

__all__ = ["SingleTask"]


class SingleTask(Architecture):
    """Give every task a network of its own, to see what sharing is worth.

    The tasks meet only below, in the tables of vectors. Train one model for each task where they
    should not meet at all.

    Stability: stable.

    Args:
        widths: sizes of the inputs.
        tasks: names of the tasks.
        layers: widths of each network.
        dropout: in the networks.
        capacity: `full` gives each task all of `layers`, K times the parameters of a shared bottom.
            `matched` narrows the networks by one common factor, so that together they have the
            parameters of one shared bottom of `layers` (as near as whole numbers allow): the
            comparison in which a gain of sharing is not a gain of size.

    Raises:
        ArchitectureError: a width that is not positive, or no such capacity.
    """

    reads_parts: ClassVar[bool] = True
    when: ClassVar[str] = "always: it is the baseline"

    def __init__(
        self,
        widths: Widths,
        tasks: Sequence[str],
        *,
        layers: Sequence[int] = (256, 128),
        dropout: float = 0.2,
        capacity: Literal["full", "matched"] = "full",
    ) -> None:
        super().__init__(widths, tasks)
        if capacity not in ("full", "matched"):
            raise ArchitectureError(f"`capacity` is 'full' or 'matched', got {capacity!r}.")
        self.layers = tuple(layers)
        self.dropout = dropout
        self.capacity = capacity
        own = self.layers if capacity == "full" else self._matched()
        self.networks = nn.ModuleList(MLP(widths.main, own, dropout=dropout) for _ in self.tasks)
        self._out_features = own[-1] if own else widths.main

    @property
    def out_features(self) -> int:
        """Width of the networks' last layer."""
        return self._out_features

    def share(self, encoded: Encoded) -> Shared:
        """The output of each task's network, in the order of the tasks."""
        read = self.parts(encoded.main)
        return Shared(tuple(network(read) for network in self.networks))

    def split(self, shared: Shared) -> dict[str, Tensor]:
        """To each task its own."""
        return dict(zip(self.tasks, shared.experts, strict=True))

    def _matched(self) -> tuple[int, ...]:
        """The layers scaled such that all networks together are as large as one in full."""

        def size(layers: Sequence[int]) -> int:
            return sum((i + 1) * o for i, o in pairwise((self.widths.main, *layers)))

        widest = max(self.layers, default=1)
        narrowed = (
            tuple(max(1, round(width * part / widest)) for width in self.layers)
            for part in range(1, widest + 1)
        )
        wanted = size(self.layers) / len(self.tasks)
        return min(narrowed, key=lambda layers: abs(size(layers) - wanted))
