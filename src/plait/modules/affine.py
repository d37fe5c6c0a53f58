"""The first layers of a network, where most of what they read has no gradient."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import FunctionCtx
from torch.nn import functional

from .engine import may_compile
from .parts import PartlyLearnt, whole

__all__ = ["affine", "affine_each", "partly_learnt", "worth_parting"]

WORTH = 4
"""Known columns are kept apart where they are at least one in so many."""


_NARROW = 32
"""Layers of so few outputs copy the parts of their weights. Of a part that is not contiguous the
backward pass multiplies the other way round, which takes a gate of four experts ten times as long.
"""


def partly_learnt(inputs: Tensor, learnt: int | None) -> Tensor | PartlyLearnt:
    """The input in its two parts, where a backward pass will be spared work by it.

    The gradient of a layer's input costs as much as its forward pass, and known numbers have no use
    for it: with a history most columns are numbers.

    Args:
        inputs: `[B, D]`, the learnt columns first.
        learnt: L; None: all of D.
    """
    if not (inputs.requires_grad and worth_parting(learnt=learnt, width=inputs.shape[1])):
        return inputs
    return PartlyLearnt(inputs[:, :learnt], inputs[:, learnt:].detach())


def worth_parting(*, learnt: int | None, width: int) -> bool:
    """Whether so many learnt columns of an input are few enough to keep the known ones apart."""
    return bool(learnt) and (width - (learnt or 0)) * WORTH >= width


def affine(inputs: Tensor | PartlyLearnt, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`inputs @ weight.T + bias`, `[B, out]`, of a whole input or of one in parts.

    Args:
        inputs: `[B, D]`.
        weight: `[out, D]`.
        bias: `[out]` or None.
    """
    if isinstance(inputs, Tensor):
        return functional.linear(inputs, weight, bias)
    if not _is_looked_up(inputs):
        return _two_products(inputs, weight, bias)
    biases = None if bias is None else bias.unsqueeze(0)
    return _looked_up(inputs, weight.unsqueeze(0), biases)[0]


def affine_each(
    inputs: Tensor | PartlyLearnt, weights: Tensor, biases: Tensor
) -> tuple[Tensor, ...]:
    """`affine` with the weights of E layers that read the same.

    Args:
        inputs: `[B, D]`.
        weights: `[E, out, D]`.
        biases: `[E, out]`.
    """
    if isinstance(inputs, PartlyLearnt) and _is_looked_up(inputs):
        return _looked_up(inputs, weights, biases)
    # `unbind`, not indexing: its backward pass stacks once and fills no zeros.
    each = zip(weights.unbind(), biases.unbind(), strict=True)
    return tuple(affine(inputs, weight, bias) for weight, bias in each)


def _two_products(inputs: PartlyLearnt, weight: Tensor, bias: Tensor | None) -> Tensor:
    learnt, known = weight.tensor_split([inputs.learnt.shape[1]], dim=1)
    if len(weight) <= _NARROW:
        learnt, known = learnt.contiguous(), known.contiguous()
    return torch.addmm(functional.linear(inputs.known, known, bias), inputs.learnt, learnt.T)


def _is_looked_up(inputs: PartlyLearnt) -> bool:
    return inputs.pieces is not None or inputs.short is not None


def _looked_up(inputs: PartlyLearnt, weights: Tensor, biases: Tensor | None) -> tuple[Tensor, ...]:
    """E outputs `[B, out]` from an input of which some is not written out."""
    if not may_compile(inputs.learnt, weights):
        return _written_out(inputs, weights, biases)
    vectors = None if inputs.short is None else inputs.short.vectors
    found: tuple[Tensor, ...] = _LookedUp.apply(  # type: ignore[no-untyped-call]
        inputs, weights.contiguous(), biases, inputs.learnt, vectors
    )
    return found


def _written_out(
    inputs: PartlyLearnt, weights: Tensor, biases: Tensor | None
) -> tuple[Tensor, ...]:
    read = whole(inputs)
    offsets = [None] * len(weights) if biases is None else biases.unbind()
    each = zip(weights.unbind(), offsets, strict=True)
    return tuple(functional.linear(read, weight, bias) for weight, bias in each)


class _Context(FunctionCtx):
    inputs: PartlyLearnt
    turned: Tensor
    saved_tensors: tuple[Tensor | None, ...]
    needs_input_grad: tuple[bool, ...]


class _LookedUp(Function):
    """Layers whose looked-up parts are compiled; differentiated twice, they are torch's products.

    All in one, so that each gradient is written once where it belongs.
    """

    @staticmethod
    def forward(
        ctx: _Context,
        inputs: PartlyLearnt,
        weights: Tensor,
        biases: Tensor | None,
        learnt: Tensor,
        vectors: Tensor | None,
    ) -> tuple[Tensor, ...]:
        """E outputs `[B, out]`."""
        from . import compiled_layers

        own = _columns_of_learnt(inputs, weights)
        known = weights[:, :, sum(inputs.widths[:2]) :]
        offsets = weights.new_zeros(weights.shape[:2]) if biases is None else biases
        outputs = []
        for weight, of_known, offset in zip(own, known, offsets, strict=True):
            output = torch.addmm(offset, learnt, weight.T)
            outputs.append(output.addmm_(inputs.known, of_known.T) if len(of_known.T) else output)
        ctx.inputs = inputs
        ctx.turned = compiled_layers.add_looked_up(inputs, weights, outputs)
        ctx.save_for_backward(weights, biases, learnt, vectors)  # type: ignore[arg-type]
        return tuple(outputs)

    @staticmethod
    def backward(ctx: _Context, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of weights, biases, of what is learnt, and of the vectors looked up."""
        weights, biases, learnt, vectors = ctx.saved_tensors
        assert weights is not None
        assert learnt is not None
        inputs = ctx.inputs
        if torch.is_grad_enabled():  # somebody wants to differentiate the gradients
            short = inputs.short
            if short is not None and vectors is not None:
                short = short._replace(vectors=vectors)
            again = inputs._replace(learnt=learnt, short=short)
            return _differentiable(again, (weights, biases, learnt, vectors), gradients)
        from . import compiled_layers

        pulls = [gradient.contiguous() for gradient in gradients]
        own = _columns_of_learnt(inputs, weights)
        found = torch.empty_like(weights)
        first_known = sum(inputs.widths[:2])
        to_learnt = None
        for number, pull in enumerate(pulls):
            if learnt.shape[1]:
                if inputs.short is None:
                    torch.mm(pull.T, learnt, out=found[number, :, : learnt.shape[1]])
                else:
                    found[number].index_copy_(1, inputs.short.others, pull.T @ learnt)
                if to_learnt is not None:
                    to_learnt.addmm_(pull, own[number])
                elif ctx.needs_input_grad[3]:
                    to_learnt = torch.mm(pull, own[number])
            if inputs.known.shape[1]:
                torch.mm(pull.T, inputs.known, out=found[number, :, first_known:])
        if to_learnt is None and ctx.needs_input_grad[3]:
            to_learnt = torch.zeros_like(learnt)
        to_vectors = compiled_layers.to_weights(inputs, ctx.turned, pulls, found)
        to_biases = None if biases is None else torch.stack([pull.sum(dim=0) for pull in pulls])
        return None, found, to_biases, to_learnt, None if vectors is None else to_vectors


def _columns_of_learnt(inputs: PartlyLearnt, weights: Tensor) -> Tensor:
    """The weights `[E, out, L]` of what is learnt and written out."""
    if inputs.short is None:
        return weights[:, :, : inputs.learnt.shape[1]]
    return weights.index_select(2, inputs.short.others)


def _differentiable(
    inputs: PartlyLearnt, leaves: tuple[Tensor | None, ...], gradients: tuple[Tensor, ...]
) -> tuple[Tensor | None, ...]:
    """Gradients that have gradients themselves."""
    weights, biases, *_ = leaves
    assert weights is not None
    outputs = _written_out(inputs, weights, biases)
    wanted = [leaf for leaf in leaves if leaf is not None and leaf.requires_grad]
    found = iter(torch.autograd.grad(outputs, wanted, gradients, create_graph=True))
    each = (next(found) if leaf is not None and leaf.requires_grad else None for leaf in leaves)
    return None, *each
