"""A gate that makes every entry of a vector stronger or weaker."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from plait.errors import ArchitectureError

__all__ = ["GateUnit"]


class GateUnit(nn.Module):
    """Scale each entry of a layer by a factor between 0 and 2 that another vector decides.

    The gate neural unit of PEPNet (Chang et al., `PEPNet: Parameter and Embedding Personalized
    Network <https://doi.org/10.1145/3580305.3599884>`_, 2023): `2 sigmoid(W' relu(W u + b) + b')`,
    where u is one or several vectors side by side. Weights start from Xavier's uniform distribution
    and biases from zero, so that factors start around 1.

    Stability: experimental.

    Example:
        >>> import torch
        >>> unit = GateUnit((8, 2), 3, hidden=4)
        >>> unit(torch.zeros(2, 8), torch.zeros(2, 2)).tolist()
        [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]

    Args:
        in_features: width of each vector that the gate reads.
        out_features: width of what it scales.
        hidden: width of its hidden layer.

    Raises:
        ArchitectureError: a hidden layer without a width.
    """

    def __init__(self, in_features: Sequence[int], out_features: int, *, hidden: int) -> None:
        super().__init__()
        if hidden < 1:
            raise ArchitectureError(f"A gate's hidden layer must be at least 1 wide, got {hidden}.")
        whole = nn.init.xavier_uniform_(torch.empty(hidden, sum(in_features)))
        # One weight for each vector: a model that grows then knows which of them has grown.
        self.weights = nn.ParameterList(
            part.clone() for part in whole.split(tuple(in_features), dim=1)
        )
        self.bias = nn.Parameter(torch.zeros(hidden))
        self.outer = nn.Linear(hidden, out_features)
        nn.init.xavier_uniform_(self.outer.weight)
        nn.init.zeros_(self.outer.bias)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Factors `[B, out_features]` from vectors `[B, in_features]`."""
        products = [
            functional.linear(read, weight)
            for read, weight in zip(inputs, self.weights, strict=True)
        ]
        hidden = (torch.stack(products).sum(dim=0) + self.bias).relu()
        factors: Tensor = 2 * self.outer(hidden).sigmoid()
        return factors
