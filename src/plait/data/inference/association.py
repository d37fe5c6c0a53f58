"""How much one column alone says of a label, judged on rows that it was not learnt from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from plait.data.row_hash import uniform

from .facts import Facts

__all__ = ["Codes", "held_out", "to_codes"]

_BINS = 256
_MANY = 512

Codes = NDArray[np.int64]


def to_codes(entry: Facts) -> list[Codes]:
    """The sample as small codes: by value, and in quantile bins where there are many values.

    Null has a code of its own.
    """
    codes = entry.codes
    forms = []
    if entry.distinct <= _MANY or not entry.is_unique:
        forms.append(codes + 1)
    if codes.max(initial=0) > _MANY:
        known = codes[codes >= 0]
        edges = np.unique(np.quantile(known, np.linspace(0, 1, _BINS + 1)[1:-1]))
        binned = np.searchsorted(edges, codes, side="left") + 1
        forms.append(np.where(codes < 0, 0, binned))
    return forms


def held_out(codes: Codes, label: NDArray[np.bool_]) -> tuple[float, float]:
    """AUC of the label's rate by code, and the share of the label's uncertainty that it removes.

    Half of the rows teach the rates and the other half judges them, then the other way round; both
    figures are the mean. A code that was not taught has the overall rate.

    Args:
        codes: Shape: [N].
        label: Shape: [N].
    """
    is_first = uniform(np.arange(len(codes), dtype=np.uint64), seed=1) < 0.5
    size = int(codes.max(initial=0)) + 1
    rows: list[NDArray[np.float64]] = [
        np.bincount(codes[part], minlength=size).astype(np.float64)
        for part in (is_first, ~is_first)
    ]
    hits: list[NDArray[np.float64]] = [
        np.bincount(codes[part], weights=label[part], minlength=size).astype(np.float64)
        for part in (is_first, ~is_first)
    ]
    judged = [_judge(rows[a], hits[a], rows[b], hits[b]) for a, b in ((0, 1), (1, 0))]
    return float(np.mean([auc for auc, _ in judged])), float(np.mean([told for _, told in judged]))


def _judge(
    rows: NDArray[np.float64],
    hits: NDArray[np.float64],
    new_rows: NDArray[np.float64],
    new_hits: NDArray[np.float64],
) -> tuple[float, float]:
    positives, negatives = new_hits.sum(), (new_rows - new_hits).sum()
    total = hits.sum() / max(rows.sum(), 1)
    if not (positives and negatives and 0 < total < 1):
        return 0.5, 0.0
    rates = (hits + total) / (rows + 1)
    order = np.argsort(rates, kind="stable")
    _, group = np.unique(rates[order], return_inverse=True)
    up = np.bincount(group, weights=new_hits[order])
    down = np.bincount(group, weights=(new_rows - new_hits)[order])
    below = np.concatenate([[0.0], np.cumsum(down)[:-1]])
    auc = float((up * (below + down / 2)).sum() / (positives * negatives))
    doubt = -(new_hits * np.log(rates) + (new_rows - new_hits) * np.log1p(-rates)).sum()
    rate = positives / (positives + negatives)
    before = -(positives * np.log(rate) + negatives * np.log(1 - rate))
    return auc, float(1 - doubt / before)
