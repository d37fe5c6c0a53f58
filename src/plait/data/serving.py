"""Batches of rows that have no labels: what a model reads when it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

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
        ids=_tensor(prepared.ids),
        numbers=_tensor(prepared.numbers),
        lists={
            name: Lists(
                _tensor(ragged.values),
                _tensor(ragged.offsets),
                None if ragged.weights is None else _tensor(ragged.weights),
            )
            for name, ragged in prepared.lists.items()
        },
        vectors={name: _tensor(rows) for name, rows in prepared.vectors.items()},
        labels={},
        observed={},
        weights={},
        extras={name: _tensor(x) for name, x in extras.items()},
        keys={},
        rows=torch.arange(len(prepared)),
    )


def _tensor(array: NDArray[Any]) -> Tensor:
    """The array as a tensor; copied only where it is strided or may not be written to."""
    return torch.from_numpy(np.require(array, requirements=["C", "W"]))
