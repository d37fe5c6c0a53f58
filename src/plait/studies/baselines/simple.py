"""Baselines without a feature: one number for all rows, and one number for each item."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from plait.data.store import Store

from .targets import Targets

__all__ = ["constant", "item_mean"]

PRIOR_ROWS = 10.0
"""How many rows of the mean of all are mixed into the mean of an item."""


def constant(targets: Targets, judged: Store) -> NDArray[np.float64]:
    """The mean label of the training rows (of several classes, the share of each) for every row."""
    return np.tile(targets.columns.T @ _shares(targets), (judged.num_rows, 1))


def item_mean(targets: Targets, train: Store, judged: Store) -> NDArray[np.float64]:
    """The item's mean label in the training rows, drawn to the mean of all where rows are few.

    An item that training did not show gets the mean of all.
    """
    labels = targets.columns  # [n, C]
    overall = labels.T @ _shares(targets)  # [C]
    names = [f"label {place}" for place in range(labels.shape[1])]
    weighted = pl.DataFrame(labels * targets.weights[:, None], schema=names)
    by_item = (
        weighted.with_columns(
            item=pl.Series(train.key("item")[targets.rows]), weight=pl.Series(targets.weights)
        )
        .group_by("item")
        .sum()
    )
    asked = pl.DataFrame({"item": judged.key("item")})
    found = asked.join(by_item, on="item", how="left", maintain_order="left").fill_null(0.0)
    sums = found.select(names).to_numpy() + PRIOR_ROWS * overall
    means: NDArray[np.float64] = sums / (found["weight"].to_numpy()[:, None] + PRIOR_ROWS)
    return means


def _shares(targets: Targets) -> NDArray[np.float64]:
    shares: NDArray[np.float64] = targets.weights / targets.weights.sum()
    return shares
