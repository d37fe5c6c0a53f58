"""Ragged lists to one vector a row."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["mean_pool"]


def mean_pool(values: Tensor, offsets: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean of each row's vectors, `[B, d]`.

    There is no padding to leave out: a row is exactly its own values. An empty row gives zeros, and
    so does a row whose weights sum to zero. We add values to their rows by index, the fastest form
    on a CPU and one that gives the same bits each time (on a GPU only under
    `torch.use_deterministic_algorithms`).

    Example:
        >>> values = torch.tensor([[2.0], [4.0], [7.0]])
        >>> mean_pool(values, torch.tensor([0, 2, 2, 3]))
        tensor([[3.],
                [0.],
                [7.]])

    Args:
        values: `[N, d]`, the vectors of all rows one after another.
        offsets: int64 `[B + 1]`; row `i` holds `values[offsets[i]:offsets[i + 1]]`.
        weights: `[N]`, not negative; None for equal weights.
    """
    lengths = offsets.diff()  # [B]
    rows = torch.arange(lengths.shape[0], device=offsets.device)
    row_of = torch.repeat_interleave(rows, lengths, output_size=values.shape[0])  # [N]
    sums = values.new_zeros(lengths.shape[0], values.shape[1])
    if weights is None:
        totals = lengths.to(values.dtype)
        sums = sums.index_add(0, row_of, values)
    else:
        weights = weights.to(values.dtype)
        totals = values.new_zeros(lengths.shape[0]).index_add(0, row_of, weights)
        sums = sums.index_add(0, row_of, values * weights.unsqueeze(1))
    share = totals.masked_fill(totals == 0, torch.inf).reciprocal()  # [B]
    return sums * share.unsqueeze(1)
