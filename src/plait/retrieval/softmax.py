"""The loss over the items of a batch, corrected for how often each item is drawn."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["ItemFrequency", "in_batch_softmax"]


def in_batch_softmax(scores: Tensor, items: Tensor, log_q: Tensor, weights: Tensor) -> Tensor:
    """How far each user's own item is from winning among the items of its batch; a scalar.

    The negatives of a row are the items of the other rows. These come as often as they are liked,
    so that a plain softmax would hold popular items down. Taking `log Q(j)`, the logarithm of the
    chance that a row of the batch is of item j, off every score undoes it in expectation (Bengio
    and Senécal, `Adaptive Importance Sampling
    <https://doi.org/10.1109/TNN.2007.912312>`_, 2008; Yi et al., `Sampling-Bias-Corrected Neural
    Modeling <https://doi.org/10.1145/3298689.3346996>`_, 2019, eq. 6). Another row of the same item
    is no negative and is left out.

    Departure: the papers estimate Q from a stream of batches; the training rows are all at hand, so
    we count.

    Example:
        >>> scores = torch.tensor([[2.0, 0.0], [0.0, 2.0]])
        >>> half = torch.tensor([0.5, 0.5]).log()
        >>> in_batch_softmax(scores, torch.tensor([7, 9]), half, torch.ones(2))
        tensor(0.1269)

    Args:
        scores: `[B, B]`, user by item; the row's own item on the diagonal.
        items: int64 `[B]`, equal where the items are.
        log_q: `[B]`, of each item.
        weights: `[B]`, how much each row counts.
    """
    logits = scores - log_q
    own = torch.eye(len(items), dtype=torch.bool, device=items.device)
    again = (items.unsqueeze(0) == items.unsqueeze(1)) & ~own
    logits = logits.masked_fill(again, -torch.inf)
    lost = torch.logsumexp(logits, dim=1) - logits.diagonal()  # [B]
    return (lost * weights).sum() / weights.sum()


class ItemFrequency:
    """The logarithm of the share of training rows that are of an item.

    Args:
        items: int64 `[N]`, codes of the items of the rows that are learnt from.
    """

    def __init__(self, items: NDArray[np.int64]) -> None:
        codes, counts = np.unique(items, return_counts=True)
        self._codes = torch.from_numpy(codes)
        self._log = torch.from_numpy(np.log(counts / counts.sum()).astype(np.float32))

    def log_q(self, items: Tensor) -> Tensor:
        """The logarithm for each of these items `[B]`, all of which were counted."""
        places = torch.searchsorted(self._codes.to(items.device), items)
        return self._log.to(items.device)[places]
