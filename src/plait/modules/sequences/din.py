"""What a user did before, seen from the item that is judged now."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn

from plait.modules.mlp import check_widths

from .base import SequenceEncoder

__all__ = ["DIN"]


class DIN(SequenceEncoder):
    """Weigh each past item by how much it has to do with the item that is judged.

    The sum `sum_j a(e_j, v) e_j` over the past items, where `a` is a small network that reads
    `[e_j, v, e_j - v, e_j * v]`, with PReLU between its layers; the weights are not normalised, so
    that strong interest gives a large sum (Zhou et al., `Deep Interest Network for Click-Through
    Rate Prediction <https://doi.org/10.1145/3219819.3219823>`_, 2018). The paper also tries Dice in
    place of PReLU, which makes a row depend on the others of its batch; it is not here.

    Stability: experimental.

    Args:
        in_features: width of the vectors.
        layers: widths of the hidden layers of `a`.
        target: the feature that holds the item. None: the one of the sequence's table.
        aligned: sequences with one value for each value of this one, whose vectors are added.

    Raises:
        ArchitectureError: a width that is not positive.
    """

    when: ClassVar[str] = "sequences are long and mixed, and one of many interests decides"
    reads_target: ClassVar[bool] = True

    def __init__(
        self,
        in_features: int,
        *,
        layers: Sequence[int] = (32, 16),
        target: str | None = None,
        aligned: Sequence[str] = (),
    ) -> None:
        super().__init__(in_features)
        self.layers = check_widths(layers)
        self.target = target
        self.aligned = tuple(aligned)
        sizes = (4 * in_features, *self.layers, 1)
        self.linears = nn.ModuleList(nn.Linear(i, o) for i, o in pairwise(sizes))
        self.activations = nn.ModuleList(nn.PReLU() for _ in self.layers)
        for linear in self.linears:
            assert isinstance(linear, nn.Linear)
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(self, values: Tensor, mask: Tensor, target: Tensor | None = None) -> Tensor:
        """The weighed sum of the values that are there, `[B, d]`."""
        assert target is not None
        weights = self.weights(values, target).masked_fill(~mask, 0.0)
        return torch.bmm(weights.unsqueeze(1), values).squeeze(1)

    def weights(self, values: Tensor, target: Tensor) -> Tensor:
        """`a(e_j, v)` of every place, `[B, L]`."""
        hidden = self._first(values, target)
        for activation, linear in zip(self.activations, self.linears[1:], strict=True):
            hidden = linear(activation(hidden))
        return hidden.squeeze(2)

    def _first(self, values: Tensor, target: Tensor) -> Tensor:
        """The first layer, of `[e, v, e - v, e * v]`, without laying the four side by side.

        It is linear in `e` once `v` is known: `(W_e + W_- + W_* diag(v)) e + (W_v - W_-) v + b`.
        """
        first = self.linears[0]
        assert isinstance(first, nn.Linear)
        of_value, of_target, of_difference, of_product = first.weight.chunk(4, dim=1)  # [H, d]
        shift = nn.functional.linear(target, of_target - of_difference, first.bias)  # [B, H]
        matrix = (of_value + of_difference) + of_product * target.unsqueeze(1)  # [B, H, d]
        return torch.bmm(values, matrix.mT) + shift.unsqueeze(1)
