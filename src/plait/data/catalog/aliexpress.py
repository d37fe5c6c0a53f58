"""AliExpress: search results that are clicked and bought, one country a folder."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from plait.data.reading import read
from plait.data.schema import Categorical, Numeric, Schema
from plait.tasks import Binary

from .entry import Entry
from .parts import PARTS, below_each_other

__all__ = ["ALIEXPRESS"]

_TRAIN, _TEST = "train.csv", "test.csv"
_CATEGORICAL = tuple(f"categorical_{number}" for number in range(1, 17))
_NUMERICAL = tuple(f"numerical_{number}" for number in range(1, 64))


def _read(folder: Path) -> pl.LazyFrame:
    files = {"train": read(folder / _TRAIN), "test": read(folder / _TEST)}
    return below_each_other(files, group="search_id")


ALIEXPRESS = Entry(
    name="aliexpress",
    title="AliExpress: a search result is clicked, and bought",
    terms="research use under the terms of Tianchi; may not be passed on",
    source="Alibaba Tianchi, data set 74690 (AliExpress Searching System), one country a folder",
    folder="aliexpress",
    log=_TRAIN,
    more=(_TEST,),
    read=_read,
    schema=Schema(
        (*map(Categorical, _CATEGORICAL), *map(Numeric, _NUMERICAL)), request="search_id"
    ),
    tasks=(Binary("click"), Binary("conversion", parents=("click",))),
    split=PARTS,
    notes=(
        "The published files are train and test; of the training requests, those whose search_id "
        "ends in 9 validate.",
    ),
)
