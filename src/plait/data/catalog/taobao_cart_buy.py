"""Taobao: pairs of a user and an item, put into the cart or bought."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from plait.data.reading import collect_checked, read
from plait.data.schema import Categorical, Schema
from plait.tasks import Binary

from .entry import Entry
from .parts import PARTS

__all__ = ["TAOBAO"]

_LOG = "pairs.parquet"
_SEED = 2024


def _read(folder: Path) -> pl.LazyFrame:
    """The pairs, each followed by one that never occurred.

    Every pair of the published file is a positive of something. For each we draw an item at random
    for the same user; a pair that the file knows is not taken. Of the pairs that are not held out
    for the test, a tenth validates.
    """
    known = collect_checked(
        read(folder / _LOG).select("user_id", "item_id", "buy", "cart", "buy_split"),
        where=str(folder / _LOG),
    )
    draw = np.random.default_rng(_SEED)
    validates = pl.Series(draw.random(known.height) < 0.1)
    rest = pl.when(validates).then(pl.lit("valid")).otherwise(pl.lit("train"))
    part = pl.when(pl.col("buy_split") == "test").then(pl.lit("test")).otherwise(rest)
    known = known.with_columns(part=part).drop("buy_split")
    items = known["item_id"].unique().sort()
    drawn = items.gather(draw.integers(len(items), size=known.height))
    none = pl.lit(0, dtype=known.schema["buy"])
    never = known.with_columns(item_id=drawn, buy=none, cart=none)
    never = never.join(known, on=("user_id", "item_id"), how="anti", maintain_order="left")
    never = never.unique(("user_id", "item_id"), keep="first", maintain_order=True)
    return pl.concat([known, never]).lazy()


TAOBAO = Entry(
    name="taobao_cart_buy",
    title="Taobao: into the cart, and bought",
    terms="research use, not commercial",
    source="Alibaba Tianchi, data set 649, as prepared for EHCF (Chen et al., AAAI 2020)",
    rows=414_327,
    folder="taobao_cart_buy",
    log=_LOG,
    read=_read,
    schema=Schema((Categorical("user_id"), Categorical("item_id")), user="user_id", item="item_id"),
    tasks=(Binary("cart"), Binary("buy")),
    split=PARTS,
    notes=(
        "The file holds positives only; one pair that never occurred is drawn for each of them, "
        "always the same ones. Figures depend on that draw and are not those of the paper.",
        "The page views of the published set are missing, and there are no features and no time.",
    ),
)
