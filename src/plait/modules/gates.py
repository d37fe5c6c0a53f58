"""Gates: how much of each expert a task takes, row by row."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import FunctionCtx

from .affine import PartlyLearnt, affine
from .engine import is_plain, may_compile

__all__ = ["SoftmaxGate", "mix"]

_MANY, _WIDE = 8, 64
"""From so many experts of such a width on one batched product is the faster way to mix them."""


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
        return torch.softmax(self.logits(inputs), dim=1)

    def logits(self, inputs: Tensor | PartlyLearnt) -> Tensor:
        """What the softmax turns into weights, `[B, E]`."""
        return affine(inputs, self.linear.weight, self.linear.bias)

    @torch.no_grad()
    def mass(self, inputs: Tensor) -> Tensor:
        """Mean weight of each expert over the rows, `[E]`: an expert near zero is not used."""
        weights: Tensor = self(inputs)
        return weights.mean(dim=0)


def mix(logits: Tensor, experts: Tensor | Sequence[Tensor]) -> Tensor:
    """Weighted sum of experts by the softmax of a gate's logits, `[B, H]`.

    Each gate mixes by itself, though all at once would be faster: so a loss reaches no gate but its
    task's, and a gradient rule that asks the autograd graph sees it.

    Example:
        >>> mix(torch.tensor([[0.0, 0.0]]), [torch.tensor([[4.0]]), torch.tensor([[8.0]])])
        tensor([[6.]])

    Args:
        logits: `[B, E]`, before the softmax.
        experts: E tensors `[B, H]`, or one `[B, E, H]`: stack them once where several gates mix
            the same experts.
    """
    outputs = experts if isinstance(experts, Tensor) else torch.stack(tuple(experts), dim=1)
    large = outputs.shape[1] >= _MANY and outputs.shape[2] >= _WIDE
    if is_plain() or (large and not may_compile(logits, outputs)):
        return torch.bmm(torch.softmax(logits, dim=1).unsqueeze(1), outputs).squeeze(1)
    if may_compile(logits, outputs):
        compiled: Tensor = _CompiledMixing.apply(  # type: ignore[no-untyped-call]
            logits.contiguous(), outputs
        )
        return compiled
    mixed: Tensor = _Mixing.apply(logits, outputs)[0]  # type: ignore[no-untyped-call]
    return mixed


class _Context(FunctionCtx):
    saved_tensors: tuple[Tensor, ...]


class _Mixing(Function):
    """Softmax and weighted sum, expert by expert.

    On a CPU a batched product of such small matrices takes up to three times as long, its backward
    pass among it.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(logits: Tensor, experts: Tensor) -> tuple[Tensor, Tensor]:
        """`[B, H]`, and the weights `[B, E]`, which have no gradient of their own."""
        weights = torch.softmax(logits, dim=1)
        shares, outputs = weights.unsqueeze(2).unbind(1), experts.unbind(1)
        mixed = shares[0] * outputs[0]
        for share, output in zip(shares[1:], outputs[1:], strict=True):
            mixed = torch.addcmul(mixed, share, output)
        return mixed, weights

    @staticmethod
    def setup_context(
        ctx: _Context, inputs: tuple[Tensor, Tensor], output: tuple[Tensor, Tensor]
    ) -> None:
        """What the backward pass reads."""
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(*inputs, output[1])

    @staticmethod
    def backward(ctx: _Context, gradient: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
        """The gradients of both inputs."""
        logits, experts, weights = ctx.saved_tensors
        if torch.is_grad_enabled():  # somebody wants to differentiate the gradients
            weights = torch.softmax(logits, dim=1)
        return _gradients(weights, experts, gradient)


class _CompiledMixing(Function):
    """Softmax and weighted sum in compiled kernels; differentiated twice, it is torch's."""

    @staticmethod
    def forward(ctx: _Context, logits: Tensor, experts: Tensor) -> Tensor:
        """`[B, H]`."""
        from . import compiled_mixing

        weights = torch.empty_like(logits)
        mixed = torch.empty(len(logits), experts.shape[2])
        compiled_mixing.mix_forward(logits.numpy(), experts.numpy(), weights.numpy(), mixed.numpy())
        ctx.save_for_backward(logits, experts, weights)
        return mixed

    @staticmethod
    def backward(ctx: _Context, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """The gradients of both inputs."""
        logits, experts, weights = ctx.saved_tensors
        if torch.is_grad_enabled():
            return _gradients(torch.softmax(logits, dim=1), experts, gradient)
        from . import compiled_mixing

        to_logits, to_experts = torch.empty_like(logits), torch.empty_like(experts)
        compiled_mixing.mix_backward(
            weights.numpy(),
            experts.detach().numpy(),
            gradient.contiguous().numpy(),
            to_logits.numpy(),
            to_experts.numpy(),
        )
        return to_logits, to_experts


def _gradients(weights: Tensor, experts: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Of the logits `[B, E]` and of the experts `[B, E, H]`, from that of `mixed` `[B, H]`."""
    of_row = gradient.unsqueeze(1)  # [B, 1, H]
    products = (experts * of_row).sum(dim=2)  # [B, E]
    mean = (weights * products).sum(dim=1, keepdim=True)
    return weights * (products - mean), weights.unsqueeze(2) * of_row
