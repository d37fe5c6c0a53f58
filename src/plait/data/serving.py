"""Batches of rows that have no labels: what a model reads when it is asked."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from .batch import Batch, Lists
from .prepared import Prepared

__all__ = ["unlabelled_batch"]


def unlabelled_batch(prepared: Prepared, extras: Mapping[str, NDArray[np.float32]]) -> Batch:
    """The rows of a transform as a batch without labels, masks, weights and keys.

    Args:
        prepared: what `Preprocessor.transform` gave.
        extras: float32 `[N]` by `task.column`, what heads read beside their parameters.
    """
    return Batch(
        ids=torch.from_numpy(prepared.ids),
        numbers=torch.from_numpy(prepared.numbers),
        lists={
            name: Lists(
                torch.from_numpy(ragged.values),
                torch.from_numpy(ragged.offsets),
                None if ragged.weights is None else torch.from_numpy(ragged.weights),
            )
            for name, ragged in prepared.lists.items()
        },
        vectors={name: torch.from_numpy(rows) for name, rows in prepared.vectors.items()},
        labels={},
        observed={},
        weights={},
        extras={name: torch.from_numpy(np.ascontiguousarray(x)) for name, x in extras.items()},
        keys={},
        rows=torch.arange(len(prepared)),
    )
