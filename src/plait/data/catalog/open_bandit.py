"""Open Bandit: clicks in three campaigns under two policies, with the chance of what was shown."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from plait.data.joins import Table
from plait.data.reading import read
from plait.data.schema import Categorical, Feature, Numeric, Schema
from plait.tasks import Binary

from .entry import Entry
from .parts import FOLDS

__all__ = ["OPEN_BANDIT", "OPEN_BANDIT_CAMPAIGNS"]

_ITEMS = {"all": 80, "men": 34, "women": 46}
_USER = tuple(f"user_feature_{number}" for number in range(4))
_HASHED = tuple(f"item_feature_{number}" for number in range(1, 4))
_TERMS = "Apache License 2.0, as part of the package obp; the paper is to be cited"
_SOURCE = "ZOZO, Open Bandit Dataset (Saito et al., arXiv 2008.07146), small version"
_NOTES = (
    "80 to 115 clicks a campaign: for wiring and for weighting by propensity, not for ranking.",
    "propensity_score is the chance that the policy showed the item: as a weight, "
    "`1 / propensity_score`; never a feature.",
)


def _features(item: str, *affinities: str) -> tuple[Feature, ...]:
    named = ("policy", item, "position", *_USER, *_HASHED)
    return (*map(Categorical, named), Numeric("item_feature_0"), *map(Numeric, affinities))


def _campaign(name: str) -> Entry:
    affinities = [f"affinity_{item}" for item in range(_ITEMS[name])]
    return Entry(
        name=f"open_bandit_{name}",
        title=f"Open Bandit, campaign {name}: click",
        terms=_TERMS,
        source=_SOURCE,
        rows=20_000,
        folder="open_bandit",
        log=f"{name}.parquet",
        schema=Schema(
            _features("item_id", *affinities),
            item="item_id",
            time="timestamp",
            position="position",
        ),
        tasks=(Binary("click"),),
        split=FOLDS,
        tables=(Table("items", f"items_{name}.parquet", "item_id"),),
        notes=_NOTES,
    )


def _read(folder: Path) -> pl.LazyFrame:
    """The three campaigns below each other.

    Items are counted anew in each campaign, and a campaign has one column of affinities for each
    of its items. What means the same everywhere is the affinity to the item that was shown.
    """
    return pl.concat([_rows(folder, name) for name in _ITEMS], how="vertical_relaxed")


def _rows(folder: Path, campaign: str) -> pl.LazyFrame:
    affinities = pl.concat_list(f"affinity_{item}" for item in range(_ITEMS[campaign]))
    shown = pl.col("item_id").cast(pl.Int64)
    items = read(folder / f"items_{campaign}.parquet").with_columns(shown)
    return (
        read(folder / f"{campaign}.parquet")
        .with_columns(
            shown,
            campaign=pl.lit(campaign),
            item=pl.format("{} {}", pl.lit(campaign), shown),
            affinity=affinities.list.get(shown, null_on_oob=True),
        )
        .drop(f"affinity_{item}" for item in range(_ITEMS[campaign]))
        .join(items, on="item_id", how="left", maintain_order="left")
    )


OPEN_BANDIT_CAMPAIGNS = tuple(_campaign(name) for name in _ITEMS)

OPEN_BANDIT = Entry(
    name="open_bandit",
    title="Open Bandit: click in three campaigns",
    terms=_TERMS,
    source=_SOURCE,
    rows=60_000,
    folder="open_bandit",
    log="all.parquet",
    read=_read,
    more=("men.parquet", "women.parquet", *(f"items_{name}.parquet" for name in _ITEMS)),
    schema=Schema(
        (*_features("item", "affinity"), Categorical("campaign")),
        item="item",
        time="timestamp",
        scenario="campaign",
        position="position",
    ),
    tasks=(Binary("click"),),
    split=FOLDS,
    notes=_NOTES,
)
