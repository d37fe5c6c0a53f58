"""Attention: a mean of values, weighed by how well their keys fit a query."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["attend"]


def attend(
    query: Tensor, key: Tensor, value: Tensor, *, scale: float = 1.0, allowed: Tensor | None = None
) -> Tensor:
    """`softmax(scale · Q Kᵀ) V`, `[..., L, d_v]`.

    Written out, and not torch's fused form, because that one cannot be differentiated twice, which
    a penalty on gradients asks for.

    Example:
        >>> values = torch.tensor([[[2.0], [6.0]]])
        >>> attend(torch.zeros(1, 1, 3), torch.zeros(1, 2, 3), values)
        tensor([[[4.]]])

    Args:
        query: `[..., L, d]`.
        key: `[..., S, d]`.
        value: `[..., S, d_v]`.
        scale: multiplies the products.
        allowed: bool, in a form that fits `[..., L, S]`: which query may read which key. Each must
            have one. None: all may read all.
    """
    scores = torch.matmul(query * scale, key.mT)  # [..., L, S]
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
    return torch.matmul(torch.softmax(scores, dim=-1), value)
