"""A task's own layers, between its representation and its head."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from plait.modules import MLP


class Tower(nn.Module):
    """A task's own layers: hidden ones, then a linear one to the head's parameters."""

    def __init__(
        self, in_features: int, widths: Sequence[int], out_features: int, *, dropout: float
    ) -> None:
        super().__init__()
        self.hidden = MLP(in_features, tuple(widths), dropout=dropout) if widths else nn.Identity()
        self.last = nn.Linear(widths[-1] if widths else in_features, out_features)
        nn.init.xavier_uniform_(self.last.weight)

    def forward(self, representation: Tensor) -> Tensor:
        """The head's parameters `[B, out]`."""
        hidden: Tensor = self.hidden(representation)
        parameters: Tensor = self.last(hidden)
        return parameters
