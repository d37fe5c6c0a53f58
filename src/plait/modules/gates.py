"""Gates: how much of each expert a task takes, row by row."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .affine import PartlyLearnt, affine

__all__ = ["SoftmaxGate", "mix"]


class SoftmaxGate(nn.Module):
    """Weigh experts for each row, with weights that sum to one.

    The linear gate of MMoE, without a bias as in the paper (Ma et al., `Modeling Task Relationships
    in Multi-task Learning with Multi-gate Mixture-of-Experts
    <https://doi.org/10.1145/3219819.3220007>`_, 2018). One gate is one module: tasks that each have
    a gate share none of its weights, and a gradient rule that asks the autograd graph sees so.

    Stability: stable.

    Example:
        >>> SoftmaxGate(8, 3)(torch.zeros(2, 8))
        tensor([[0.3333, 0.3333, 0.3333],
                [0.3333, 0.3333, 0.3333]], grad_fn=<SoftmaxBackward0>)

    Args:
        in_features: width of what the gate reads.
        num_experts: how many experts it weighs.
        bias: let the gate prefer an expert whatever the row is.
    """

    def __init__(self, in_features: int, num_experts: int, *, bias: bool = False) -> None:
        super().__init__()
        self.linear = nn.Linear(in_features, num_experts, bias=bias)
        nn.init.xavier_uniform_(self.linear.weight)
        if bias:
            nn.init.zeros_(self.linear.bias)

    def forward(self, inputs: Tensor | PartlyLearnt) -> Tensor:
        """Weights `[B, E]` from `[B, in_features]`, whole or in its two parts."""
        return torch.softmax(affine(inputs, self.linear.weight, self.linear.bias), dim=1)

    @torch.no_grad()
    def mass(self, inputs: Tensor) -> Tensor:
        """Mean weight of each expert over the rows, `[E]`: an expert near zero is not used."""
        weights: Tensor = self(inputs)
        return weights.mean(dim=0)


def mix(weights: Tensor, experts: Tensor | Sequence[Tensor]) -> Tensor:
    """Weighted sum of experts, `[B, H]`.

    Example:
        >>> mix(torch.tensor([[0.25, 0.75]]), [torch.tensor([[4.0]]), torch.tensor([[8.0]])])
        tensor([[7.]])

    Args:
        weights: `[B, E]`.
        experts: E tensors `[B, H]`, or one `[B, E, H]`: stack them once where several gates mix
            the same experts.
    """
    stacked = experts if isinstance(experts, Tensor) else torch.stack(tuple(experts), dim=1)
    return torch.bmm(weights.unsqueeze(1), stacked).squeeze(1)
