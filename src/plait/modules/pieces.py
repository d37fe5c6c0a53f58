"""Numbers as layers read them: quantile, missing, and pieces that a position fills one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import FunctionCtx

from .engine import may_compile

__all__ = ["Pieces", "encoded", "products"]


def encoded(numbers: Tensor, num_pieces: int) -> Tensor:
    """Numbers of as many pieces, written out side by side: `[B, n * (2 + P)]`.

    Example:
        >>> encoded(torch.tensor([[[0.3, 1.25, 0.0]]]), 3)
        tensor([[0.3000, 0.0000, 1.0000, 0.2500, 0.0000]])

    Args:
        numbers: `[B, n, 3]`: normal quantile, position, 1 where missing.
        num_pieces: P; a position runs from 0 to P.
    """
    piece = torch.arange(num_pieces, device=numbers.device, dtype=numbers.dtype)
    filled = (numbers[:, :, 1:2] - piece).clamp(0.0, 1.0)  # [B, n, P]
    return torch.cat([numbers[:, :, 0::2], filled], dim=2).flatten(1)


class Pieces(NamedTuple):
    """Numbers that a layer reads as `encoded`, and that stand as they came.

    Attributes:
        numbers: `[B, 3 * M]`, as `Batch.numbers`.
        counts: int64 `[M]` on the CPU, the pieces of each number.
        width: N, how wide they are encoded.
        num_knots: value and missing of each number, and the edges of those in pieces.
    """

    numbers: Tensor
    counts: Tensor
    width: int
    num_knots: int

    @classmethod
    def of(cls, numbers: Tensor, counts: Sequence[int]) -> Pieces:
        """Numbers `[B, 3 * M]` in so many pieces each."""
        edges = sum(count + 1 for count in counts if count)
        width = 2 * len(counts) + sum(counts)
        return cls(numbers, torch.tensor(counts), width, 2 * len(counts) + edges)

    def written_out(self) -> Tensor:
        """The numbers encoded, `[B, N]`."""
        counts = self.counts.tolist()
        each = self.numbers.view(len(self.numbers), len(counts), 3).split(1, dim=1)
        return torch.cat([encoded(one, n) for one, n in zip(each, counts, strict=True)], dim=1)


def products(pieces: Pieces, weights: Tensor) -> tuple[Tensor, ...]:
    """Of encoded numbers with the weights of E blocks: E tensors `[B, out]`.

    Args:
        pieces: the numbers.
        weights: `[E, out, N]`.
    """
    if may_compile(pieces.numbers, weights):
        found: tuple[Tensor, ...] = _Products.apply(  # type: ignore[no-untyped-call]
            weights, pieces
        )
        return found
    return tuple(pieces.written_out() @ weight.T for weight in weights.unbind())


class _Context(FunctionCtx):
    pieces: Pieces


class _Products(Function):
    """Sums between edges in compiled kernels; differentiated twice, they are torch's products."""

    @staticmethod
    def forward(ctx: _Context, weights: Tensor, pieces: Pieces) -> tuple[Tensor, ...]:
        """E tensors `[B, out]`."""
        from . import compiled_pieces

        ctx.pieces = pieces
        return tuple(compiled_pieces.products(pieces, weights))

    @staticmethod
    def backward(ctx: _Context, *gradients: Tensor) -> tuple[Tensor, None]:
        """The gradient of the weights."""
        if torch.is_grad_enabled():
            known = ctx.pieces.written_out()
            return torch.stack([gradient.T @ known for gradient in gradients]), None
        from . import compiled_pieces

        return compiled_pieces.to_weights(ctx.pieces, gradients), None
