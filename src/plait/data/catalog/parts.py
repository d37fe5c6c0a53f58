"""The splits that several sets share."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from plait.data.splits import ColumnSplit

__all__ = ["FOLDS", "PARTS", "below_each_other"]

FOLDS = ColumnSplit("fold", train=(0, 1, 2, 3, 4, 5, 6), valid=(7,), test=(8, 9))
"""Ten folds that were drawn once: figures of different models can be compared."""

PARTS = ColumnSplit("part")
"""By the column that `below_each_other` adds."""


def below_each_other(
    parts: Mapping[str, pl.LazyFrame], *, group: str | None = None
) -> pl.LazyFrame:
    """The files of a set as one frame whose column `part` says which file a row comes from.

    Args:
        parts: `train`, `test` and perhaps `valid`.
        group: column of whole numbers; of the training rows, those where it ends in 9 validate. A
            rule by number, not a draw, so that it is the same everywhere.

    Example:
        >>> train = pl.LazyFrame({"request": [8, 9, 10]})
        >>> whole = below_each_other({"train": train, "test": train}, group="request")
        >>> whole.collect()["part"].to_list()
        ['train', 'valid', 'train', 'test', 'test', 'test']
    """
    named = [frame.with_columns(part=pl.lit(part)) for part, frame in parts.items()]
    whole = pl.concat(named, how="vertical_relaxed")
    if group is None:
        return whole
    validates = (pl.col("part") == "train") & (pl.col(group) % 10 == 9)
    return whole.with_columns(part=pl.when(validates).then(pl.lit("valid")).otherwise("part"))
