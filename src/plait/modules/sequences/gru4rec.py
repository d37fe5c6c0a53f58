"""A recurrent network over the sequence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn

from plait.modules.checking import check_at_least

from .base import SequenceEncoder, at_latest

__all__ = ["GRU4Rec"]


class GRU4Rec(SequenceEncoder):
    """Read a session from its first step to its last, and keep the state at the end.

    Gated recurrent units over the vectors of the items (Hidasi et al., `Session-based
    Recommendations with Recurrent Neural Networks <https://arxiv.org/abs/1511.06939>`_, 2016). The
    paper ranks the next item by this state; here it is a part of what the tasks read. A row without
    a value gives zeros.

    One step waits for the one before, so long sequences take long.

    Stability: experimental.

    Args:
        in_features: width of the vectors.
        width: of the state. None: that of the vectors.
        num_layers: how many units stand on one another.
        aligned: sequences with one value for each value of this one, whose vectors are added.

    Raises:
        ArchitectureError: a width or number below 1.
    """

    when: ClassVar[str] = "sessions: the order counts, and sequences are short"

    def __init__(
        self,
        in_features: int,
        *,
        width: int | None = None,
        num_layers: int = 1,
        aligned: Sequence[str] = (),
    ) -> None:
        super().__init__(in_features)
        check_at_least(1, width=1 if width is None else width, num_layers=num_layers)
        self.width = width
        self.num_layers = num_layers
        self.aligned = tuple(aligned)
        self.gru = nn.GRU(in_features, self.out_features, num_layers, batch_first=True)

    @property
    def out_features(self) -> int:
        """Width of the state."""
        return self.in_features if self.width is None else self.width

    def forward(self, values: Tensor, mask: Tensor, target: Tensor | None = None) -> Tensor:
        """The state after the last value, `[B, width]`."""
        # What stands behind a row's last value comes later: it cannot reach the state there.
        states, _ = self.gru(values)  # [B, L, width]
        return at_latest(states, mask)
