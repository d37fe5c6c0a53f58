"""Ali-CCP as most papers use it: every field encoded as a whole number, in three CSV files."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from plait.data.reading import read
from plait.data.schema import Categorical, Numeric, Schema
from plait.tasks import Binary

from .entry import Entry
from .parts import PARTS, below_each_other

__all__ = ["ALI_CCP", "BOUGHT", "SOURCE", "TERMS"]

TERMS = "research use under the terms of Tianchi; may not be passed on"
SOURCE = "Alibaba Tianchi, data set 408 (Ali-CCP, Ma et al., SIGIR 2018)"
BOUGHT = (
    Binary("click"),
    # The published log holds a few purchases without a click, which cannot be.
    Binary("purchase", label="click == 1 and purchase == 1", parents=("click",)),
)
"""The two steps; the second is the joint event, on all rows."""

_FILES = {"train": "ali_ccp_train.csv", "valid": "ali_ccp_val.csv", "test": "ali_ccp_test.csv"}
_FIELDS = (
    *("101", "121", "122", "124", "125", "126", "127", "128", "129"),
    *("205", "206", "207", "210", "216", "508", "509", "702", "853", "301"),
    *("109_14", "110_14", "127_14", "150_14"),
)
_DENSE = ("D109_14", "D110_14", "D127_14", "D150_14", "D508", "D509", "D702", "D853")


def _read(folder: Path) -> pl.LazyFrame:
    return below_each_other({part: read(folder / file) for part, file in _FILES.items()})


ALI_CCP = Entry(
    name="ali_ccp",
    title="Ali-CCP, encoded: an item is clicked, and bought",
    terms=TERMS,
    source=f"{SOURCE}, encoded as for AITM (Xi et al., KDD 2021)",
    folder="ali_ccp",
    log=_FILES["train"],
    more=(_FILES["valid"], _FILES["test"]),
    read=_read,
    schema=Schema(
        (*map(Categorical, _FIELDS), *map(Numeric, _DENSE)),
        user="101",
        item="205",
        scenario="301",
    ),
    tasks=BOUGHT,
    split=PARTS,
    notes=(
        "The encoding keeps one value of fields that hold several, such as 210.",
        "Field 301, the place of the exposure, is what papers on several scenarios take for one.",
    ),
)
