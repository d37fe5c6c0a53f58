"""Gates: how much of each expert a task takes, row by row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import FunctionCtx

from .affine import affine, affine_apart
from .engine import is_plain, may_compile
from .parts import PartlyLearnt

__all__ = ["SoftmaxGate", "logits_of", "mix", "mix_each"]


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
    def mass(self, inputs: Tensor | PartlyLearnt) -> Tensor:
        """Mean weight of each expert over the rows, `[E]`: an expert near zero is not used."""
        weights: Tensor = self(inputs)
        return weights.mean(dim=0)


def logits_of(
    gates: Iterable[nn.Module], inputs: Sequence[Tensor | PartlyLearnt]
) -> tuple[Tensor, ...]:
    """The logits `[B, E]` of several gates; where all read the same, it is gone through once.

    A loss still reaches no gate but its own.

    Args:
        gates: `SoftmaxGate`s.
        inputs: what each of them reads.
    """
    each = [gate for gate in gates if isinstance(gate, SoftmaxGate)]
    assert len(each) == len(inputs), (len(each), len(inputs))
    is_one = all(read is inputs[0] for read in inputs)
    if not is_one or any(gate.linear.bias is not None for gate in each):
        return tuple(gate.logits(read) for gate, read in zip(each, inputs, strict=True))
    return affine_apart(inputs[0], [gate.linear.weight for gate in each])


def mix(logits: Tensor, experts: Tensor | Sequence[Tensor]) -> Tensor:
    """Weighted sum of experts by the softmax of a gate's logits, `[B, H]`.

    A loss reaches no gate but its task's, and a gradient rule that asks the autograd graph sees it.

    Example:
        >>> mix(torch.tensor([[0.0, 0.0]]), [torch.tensor([[4.0]]), torch.tensor([[8.0]])])
        tensor([[6.]])

    Args:
        logits: `[B, E]`, before the softmax.
        experts: E tensors `[B, H]`, or one `[B, E, H]`.
    """
    outputs = experts.unbind(1) if isinstance(experts, Tensor) else tuple(experts)
    if is_plain() or logits.device.type != "cpu":
        weights = torch.softmax(logits, dim=1).unsqueeze(1)
        return torch.bmm(weights, torch.stack(outputs, dim=1)).squeeze(1)
    if not torch.is_grad_enabled():
        return _Mixing.forward(logits, *outputs)[0]
    if may_compile(logits, *outputs):
        mixed: Tensor = _CompiledMixing.apply(1, logits, *outputs)[0]  # type: ignore[no-untyped-call]
        return mixed
    return _Mixing.apply(logits, *outputs)[0]  # type: ignore[no-untyped-call, no-any-return]


def mix_each(logits: Sequence[Tensor], experts: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """What `mix` gives for each of several gates, over the same experts.

    Args:
        logits: each `[B, E]`.
        experts: E tensors `[B, H]`.
    """
    if is_plain() or not torch.is_grad_enabled() or not may_compile(*logits, *experts):
        return tuple(mix(own, experts) for own in logits)
    mixed: tuple[Tensor, ...] = _CompiledMixing.apply(  # type: ignore[no-untyped-call]
        len(logits), *logits, *experts
    )
    return mixed


class _Context(FunctionCtx):
    saved_tensors: tuple[Tensor, ...]


class _Vmapped(Protocol):
    batch_size: int


class _Mixing(Function):
    """Softmax and weighted sum, expert by expert.

    On a CPU a batched product of such small matrices takes twice as long, with what it takes to
    stack the experts and to hand each its gradient.
    """

    @staticmethod
    def forward(logits: Tensor, *experts: Tensor) -> tuple[Tensor, Tensor]:
        """`[B, H]`, and the weights `[B, E]`, which have no gradient of their own."""
        weights = torch.softmax(logits, dim=1)
        shares = weights.unsqueeze(2).unbind(1)
        mixed = shares[0] * experts[0]
        for share, output in zip(shares[1:], experts[1:], strict=True):
            mixed.addcmul_(share, output)
        return mixed, weights

    @staticmethod
    def vmap(
        info: _Vmapped, in_dims: tuple[int | None, ...], *inputs: Tensor
    ) -> tuple[tuple[Tensor, Tensor], tuple[int, int]]:
        """Under `torch.func.vmap`: as many rows more."""
        rows = [
            (one.expand(info.batch_size, *one.shape) if dim is None else one.movedim(dim, 0))
            for one, dim in zip(inputs, in_dims, strict=True)
        ]
        found = _Mixing.apply(*(one.flatten(0, 1) for one in rows))  # type: ignore[no-untyped-call]
        mixed, weights = (one.unflatten(0, (info.batch_size, -1)) for one in found)
        return (mixed, weights), (0, 0)

    @staticmethod
    def setup_context(
        ctx: _Context, inputs: tuple[Tensor, ...], output: tuple[Tensor, Tensor]
    ) -> None:
        """What the backward pass reads."""
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(output[1], *inputs)

    @staticmethod
    def backward(ctx: _Context, gradient: Tensor, _: Tensor) -> tuple[Tensor, ...]:
        """The gradients of the logits and of each expert."""
        weights, logits, *experts = ctx.saved_tensors
        if torch.is_grad_enabled():  # somebody wants to differentiate the gradients
            weights = torch.softmax(logits, dim=1)
        return _gradients(weights, experts, gradient)


class _CompiledMixing(Function):
    """Softmax and weighted sum by G gates in compiled kernels; differentiated twice, torch's.

    The gradients of experts are added up where they stand. A gate whose sum has no gradient to go
    by gets none.
    """

    @staticmethod
    def forward(ctx: _Context, num_gates: int, *inputs: Tensor) -> tuple[Tensor, ...]:
        """G tensors `[B, H]`, from the logits of G gates and then the experts."""
        from . import compiled_mixing

        ctx.set_materialize_grads(False)
        logits = inputs[:num_gates]
        experts = [expert.contiguous() for expert in inputs[num_gates:]]
        weights = [torch.softmax(own, dim=1) for own in logits]
        ctx.save_for_backward(*weights, *logits, *experts)
        return tuple(compiled_mixing.mixed(own, experts) for own in weights)

    @staticmethod
    def backward(ctx: _Context, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        """The gradients of the logits and of each expert."""
        number = len(gradients)
        kept = ctx.saved_tensors
        weights, logits, experts = kept[:number], kept[number : 2 * number], kept[2 * number :]
        to_logits: list[Tensor | None] = [None] * number
        to_experts: list[Tensor] = []
        for gate, gradient in enumerate(gradients):
            if gradient is None:
                continue
            if torch.is_grad_enabled():
                own = torch.softmax(logits[gate], dim=1)
                to_logits[gate], *found = _gradients(own, experts, gradient)
                to_experts = list(map(torch.add, to_experts, found)) if to_experts else found
                continue
            from . import compiled_mixing

            given = (weights[gate], experts, gradient.contiguous())
            to_logits[gate], to_experts = compiled_mixing.unmixed(*given, to_experts)
        return None, *to_logits, *(to_experts or (None,) * len(experts))


def _gradients(weights: Tensor, experts: Sequence[Tensor], gradient: Tensor) -> tuple[Tensor, ...]:
    """Of the logits `[B, E]` and of each expert `[B, H]`, from that of `mixed` `[B, H]`."""
    products = torch.stack([(expert * gradient).sum(dim=1) for expert in experts], dim=1)
    shares = weights.unsqueeze(2).unbind(1)
    return _to_logits(weights, products), *(share * gradient for share in shares)


def _to_logits(weights: Tensor, products: Tensor) -> Tensor:
    """Through the softmax, from how much more of each expert would change the loss, `[B, E]`."""
    return weights * (products - (weights * products).sum(dim=1, keepdim=True))
