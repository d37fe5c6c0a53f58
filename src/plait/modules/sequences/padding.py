"""Ragged sequences side by side in one tensor, with a mask for what is there."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Padded", "padded"]


class Padded(NamedTuple):
    """Sequences of several lengths in one tensor.

    Attributes:
        values: `[B, L, d]`; the values of a row stand first, in their order, and zeros follow.
        mask: bool `[B, L]`, true where there is a value.
    """

    values: Tensor
    mask: Tensor


def padded(values: Tensor, offsets: Tensor, max_length: int | None = None) -> Padded:
    """Lay ragged rows side by side; L is the length of the longest, and at least 1.

    Example:
        >>> found = padded(torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([0, 1, 1, 3]))
        >>> found.values.squeeze(2)
        tensor([[1., 0.],
                [0., 0.],
                [2., 3.]])
        >>> found.mask[1]
        tensor([False, False])

    Args:
        values: `[N, d]`, the vectors of all rows one after another.
        offsets: int64 `[B + 1]`; row `i` holds `values[offsets[i]:offsets[i + 1]]`.
        max_length: only so many of a row's values are kept, the last ones. None: all.
    """
    lengths = offsets.diff()  # [B]
    kept = lengths if max_length is None else lengths.clamp(max=max_length)
    longest = max(1, int(kept.max())) if len(kept) else 1
    rows = torch.arange(len(lengths), device=offsets.device)
    row_of = torch.repeat_interleave(rows, lengths, output_size=len(values))  # [N]
    place = torch.arange(len(values), device=offsets.device) - (offsets[1:] - kept)[row_of]
    if max_length is not None:
        is_kept = place >= 0
        values, row_of, place = values[is_kept], row_of[is_kept], place[is_kept]
    flat = values.new_zeros(len(lengths) * longest, values.shape[1])
    flat = flat.index_copy(0, row_of * longest + place, values)
    mask = torch.arange(longest, device=offsets.device) < kept.unsqueeze(1)
    return Padded(flat.view(len(lengths), longest, values.shape[1]), mask)
