"""The first layers of a network, where most of what they read has no gradient."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import FunctionCtx
from torch.nn import functional

from .engine import is_plain, may_compile
from .parts import PartlyLearnt, whole

__all__ = ["affine", "affine_apart", "affine_each", "partly_learnt", "worth_parting"]

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


def affine_apart(inputs: Tensor | PartlyLearnt, weights: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """What layers without biases that read the same give; the compiled engine takes them as one.

    They share nothing: a gradient by the output of one reaches its weights and no others', and who
    asks the autograd graph sees so.

    Args:
        inputs: `[B, D]`.
        weights: each `[out, D]`, of any number of outputs.

    Returns:
        Each layer's `[B, out]`.
    """
    learnt = inputs if isinstance(inputs, Tensor) else inputs.learnt
    if is_plain() or len(weights) == 1 or not may_compile(learnt, *weights):
        return tuple(affine(inputs, weight, None) for weight in weights)
    nothing = learnt.detach()[:, :0]
    parts = PartlyLearnt(inputs, nothing) if isinstance(inputs, Tensor) else inputs
    vectors = None if parts.short is None else parts.short.vectors
    found: tuple[Tensor, ...] = _Apart.apply(  # type: ignore[no-untyped-call]
        parts, parts.learnt, vectors, *weights
    )
    return found


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
        outputs, ctx.turned = _made(inputs, weights, biases)
        ctx.inputs = inputs
        ctx.save_for_backward(weights, biases, learnt, vectors)  # type: ignore[arg-type]
        return outputs

    @staticmethod
    def backward(ctx: _Context, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of weights, biases, of what is learnt, and of the vectors looked up."""
        weights, biases, learnt, vectors = ctx.saved_tensors
        assert weights is not None
        if torch.is_grad_enabled():  # somebody wants to differentiate the gradients
            again = _anew(ctx.inputs, learnt, vectors)
            outputs = _written_out(again, weights, biases)
            return None, *_differentiable(outputs, (weights, biases, learnt, vectors), gradients)
        pulls = [gradient.contiguous() for gradient in gradients]
        found, to_learnt, to_vectors = _pulled(
            ctx.inputs, weights, ctx.turned, pulls, wants_learnt=ctx.needs_input_grad[3]
        )
        to_biases = None if biases is None else torch.stack([pull.sum(dim=0) for pull in pulls])
        return None, found, to_biases, to_learnt, to_vectors


class _Apart(Function):
    """Layers without biases as one; what has no gradient to go by gives none.

    Differentiated twice, they are products of their own again.
    """

    @staticmethod
    def forward(
        ctx: _Context,
        inputs: PartlyLearnt,
        learnt: Tensor,
        vectors: Tensor | None,
        *weights: Tensor,
    ) -> tuple[Tensor, ...]:
        """Each layer's output `[B, out]`."""
        ctx.set_materialize_grads(False)
        (outputs,), ctx.turned = _made(inputs, torch.cat(weights).unsqueeze(0), None)
        ctx.inputs = inputs
        ctx.save_for_backward(learnt, vectors, *weights)  # type: ignore[arg-type]
        sizes = [len(weight) for weight in weights]
        return tuple(output.contiguous() for output in outputs.split(sizes, dim=1))

    @staticmethod
    def backward(ctx: _Context, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        """The gradients of what is learnt, of the vectors looked up, and of each weight."""
        learnt, vectors, *weights = ctx.saved_tensors
        assert learnt is not None
        stood: list[Tensor] = [weight for weight in weights if weight is not None]
        if torch.is_grad_enabled():
            again = _anew(ctx.inputs, learnt, vectors)
            read, given = whole(again), [one for one in gradients if one is not None]
            asked = zip(stood, gradients, strict=True)
            outputs = [functional.linear(read, own) for own, one in asked if one is not None]
            return None, *_differentiable(outputs, (learnt, vectors, *weights), given)
        sizes = [len(weight) for weight in stood]
        pulls = [
            learnt.new_zeros(len(learnt), size) if gradient is None else gradient
            for gradient, size in zip(gradients, sizes, strict=True)
        ]
        found, to_learnt, to_vectors = _pulled(
            ctx.inputs,
            torch.cat(stood).unsqueeze(0),
            ctx.turned,
            [torch.cat(pulls, dim=1)],
            wants_learnt=ctx.needs_input_grad[1],
        )
        each = zip(found[0].split(sizes), gradients, strict=True)
        own = (part if gradient is not None else None for part, gradient in each)
        return None, to_learnt, to_vectors, *own


def _made(
    inputs: PartlyLearnt, weights: Tensor, biases: Tensor | None
) -> tuple[tuple[Tensor, ...], Tensor]:
    """E outputs `[B, out]`, and the weights of short tables turned round."""
    own = _columns_of_learnt(inputs, weights)
    known = weights[:, :, sum(inputs.widths[:2]) :]
    offsets = weights.new_zeros(weights.shape[:2]) if biases is None else biases
    outputs = []
    for weight, of_known, offset in zip(own, known, offsets, strict=True):
        output = torch.addmm(offset, inputs.learnt, weight.T)
        outputs.append(output.addmm_(inputs.known, of_known.T) if len(of_known.T) else output)
    if not _is_looked_up(inputs):
        return tuple(outputs), weights[:0]
    from . import compiled_layers

    return tuple(outputs), compiled_layers.add_looked_up(inputs, weights, outputs)


def _pulled(
    inputs: PartlyLearnt,
    weights: Tensor,
    turned: Tensor,
    pulls: Sequence[Tensor],
    *,
    wants_learnt: bool,
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """The gradients of the weights `[E, out, D]`, of what is learnt, and of the vectors."""
    learnt, own = inputs.learnt, _columns_of_learnt(inputs, weights)
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
            elif wants_learnt:
                to_learnt = torch.mm(pull, own[number])
        if inputs.known.shape[1]:
            torch.mm(pull.T, inputs.known, out=found[number, :, first_known:])
    if to_learnt is None and wants_learnt:
        to_learnt = torch.zeros_like(learnt)
    if not _is_looked_up(inputs):
        return found, to_learnt, None
    from . import compiled_layers

    to_vectors = compiled_layers.to_weights(inputs, turned, pulls, found)
    return found, to_learnt, None if inputs.short is None else to_vectors


def _columns_of_learnt(inputs: PartlyLearnt, weights: Tensor) -> Tensor:
    """The weights `[E, out, L]` of what is learnt and written out."""
    if inputs.short is None:
        return weights[:, :, : inputs.learnt.shape[1]]
    return weights.index_select(2, inputs.short.others)


def _anew(inputs: PartlyLearnt, learnt: Tensor | None, vectors: Tensor | None) -> PartlyLearnt:
    """The input of what has a graph, where the gradients will have gradients."""
    assert learnt is not None
    short = inputs.short
    if short is not None and vectors is not None:
        short = short._replace(vectors=vectors)
    return inputs._replace(learnt=learnt, short=short)


def _differentiable(
    outputs: Sequence[Tensor],
    leaves: Sequence[Tensor | None],
    gradients: Sequence[Tensor],
) -> tuple[Tensor | None, ...]:
    """Gradients of these leaves that have gradients themselves."""
    wanted = [leaf for leaf in leaves if leaf is not None and leaf.requires_grad]
    each = torch.autograd.grad(outputs, wanted, gradients, create_graph=True, allow_unused=True)
    found = iter(each)
    return tuple(
        next(found) if leaf is not None and leaf.requires_grad else None for leaf in leaves
    )
