"""Crosses of bounded degree: the cross network in its second version."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from plait.modules.checking import check_at_least

from .base import Entry, Interacted, Interaction

__all__ = ["DCNMix", "DCNv2"]


class DCNv2(Interaction):
    """Multiply features with one another, one degree more with each layer.

    Layer `l` is `x_{l+1} = x_0 * (W_l x_l + b_l) + x_l` (Wang et al., `DCN V2: Improved Deep &
    Cross Network <https://doi.org/10.1145/3442381.3450078>`_, 2021), so that L layers hold products
    of up to L + 1 numbers of the input. It is the paper's *stacked* form: the deep network, here
    the sharing structure, reads the last `x`.

    A layer has D² weights. Where the input is wide, `DCNMix` has fewer.

    Stability: experimental.

    Args:
        entries: the features, in order.
        num_layers: L.

    Raises:
        ArchitectureError: no layer.
    """

    when: ClassVar[str] = "pairs matter and you want one safe choice"

    def __init__(self, entries: Sequence[Entry], *, num_layers: int = 2) -> None:
        super().__init__(entries)
        check_at_least(1, num_layers=num_layers)
        self.num_layers = num_layers
        width = self.in_features
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(num_layers))
        for layer in self.layers:
            assert isinstance(layer, nn.Linear)
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    @property
    def out_features(self) -> int:
        """Width of the input."""
        return self.in_features

    def forward(self, main: Tensor) -> Interacted:
        """The crosses `[B, D]`."""
        crossed = main
        for layer in self.layers:
            crossed = main * layer(crossed) + crossed
        return Interacted(crossed)


class DCNMix(Interaction):
    """Cross a wide input at a fraction of the cost, by a mixture of narrow crosses.

    Layer `l` is `x_{l+1} = sum_i G_i(x_l) E_i(x_l) + x_l`, where an expert is
    `E_i(x_l) = x_0 * (U_i tanh(C_i tanh(V_iᵀ x_l)) + b)`: the low-rank mixture of the paper of
    `DCNv2` (Wang et al., `DCN V2: Improved Deep & Cross Network
    <https://doi.org/10.1145/3442381.3450078>`_, 2021). The gate is a softmax over the experts of
    linear forms of `x_l`, one gate a layer.

    A layer has about `2 · num_experts · rank · D` weights. The paper finds ranks near D / 4 as good
    as the full matrix.

    Stability: experimental.

    Args:
        entries: the features, in order.
        num_layers: how many layers.
        rank: width of an expert.
        num_experts: experts of a layer.

    Raises:
        ArchitectureError: no layer, rank or expert.
    """

    when: ClassVar[str] = "the same, and the input is wide: many features, or wide vectors"

    def __init__(
        self,
        entries: Sequence[Entry],
        *,
        num_layers: int = 2,
        rank: int = 32,
        num_experts: int = 4,
    ) -> None:
        super().__init__(entries)
        check_at_least(1, num_layers=num_layers, rank=rank, num_experts=num_experts)
        self.num_layers = num_layers
        self.rank = rank
        self.num_experts = num_experts
        width = self.in_features
        self.layers = nn.ModuleList(_Mixture(width, rank, num_experts) for _ in range(num_layers))

    @property
    def out_features(self) -> int:
        """Width of the input."""
        return self.in_features

    def forward(self, main: Tensor) -> Interacted:
        """The crosses `[B, D]`."""
        crossed = main
        for layer in self.layers:
            crossed = layer(main, crossed) + crossed
        return Interacted(crossed)


class _Mixture(nn.Module):
    """What one layer of `DCNMix` adds."""

    def __init__(self, width: int, rank: int, num_experts: int) -> None:
        super().__init__()
        self.into = nn.Parameter(torch.empty(num_experts, rank, width))  # Vᵀ
        self.within = nn.Parameter(torch.empty(num_experts, rank, rank))  # C
        self.back = nn.Parameter(torch.empty(num_experts, width, rank))  # U
        self.bias = nn.Parameter(torch.zeros(width))
        self.gate = nn.Linear(width, num_experts, bias=False)
        for experts in (self.into, self.within, self.back):
            for expert in experts:
                nn.init.xavier_uniform_(expert)
        nn.init.xavier_uniform_(self.gate.weight)

    def forward(self, first: Tensor, crossed: Tensor) -> Tensor:
        narrow = torch.tanh(torch.einsum("bd,erd->ber", crossed, self.into))  # [B, E, R]
        narrow = torch.tanh(torch.einsum("ber,eqr->beq", narrow, self.within))
        share = torch.softmax(self.gate(crossed), dim=1)  # [B, E]
        # The shares add up to one, so that the bias is the same in every expert and in their mix.
        mixed = torch.einsum("ber,edr->bd", narrow * share.unsqueeze(2), self.back)
        return first * (mixed + self.bias)
