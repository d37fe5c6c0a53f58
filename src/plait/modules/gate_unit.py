"""A gate that makes every entry of a vector stronger or weaker."""

from __future__ import annotations

from torch import Tensor, nn

from plait.errors import ArchitectureError

__all__ = ["GateUnit"]


class GateUnit(nn.Module):
    """Scale each entry of a layer by a factor between 0 and 2 that another vector decides.

    The gate neural unit of PEPNet (Chang et al., `PEPNet: Parameter and Embedding Personalized
    Network <https://doi.org/10.1145/3580305.3599884>`_, 2023): `2 sigmoid(W' relu(W u + b) + b')`.
    Weights start from Xavier's uniform distribution and biases from zero, so that factors start
    around 1.

    Stability: experimental.

    Example:
        >>> import torch
        >>> unit = GateUnit(8, 3, hidden=4)
        >>> unit(torch.zeros(2, 8)).tolist()
        [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]

    Args:
        in_features: width of what the gate reads.
        out_features: width of what it scales.
        hidden: width of its hidden layer.

    Raises:
        ArchitectureError: a hidden layer without a width.
    """

    def __init__(self, in_features: int, out_features: int, *, hidden: int) -> None:
        super().__init__()
        if hidden < 1:
            raise ArchitectureError(f"A gate's hidden layer must be at least 1 wide, got {hidden}.")
        self.inner = nn.Linear(in_features, hidden)
        self.outer = nn.Linear(hidden, out_features)
        for linear in (self.inner, self.outer):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(self, inputs: Tensor) -> Tensor:
        """Factors `[B, out_features]` from `[B, in_features]`."""
        hidden = self.inner(inputs).relu()
        factors: Tensor = 2 * self.outer(hidden).sigmoid()
        return factors
