"""Anime: what was watched, whether it got a score, and which."""

from __future__ import annotations

from dataclasses import replace

from plait.data.joins import Table
from plait.data.schema import Categorical, Feature, MultiHot, Numeric, Schema
from plait.tasks import Binary, Regression

from .entry import Entry
from .parts import FOLDS

__all__ = ["ANIME", "ANIME_STRICT"]

_IS_RATED = "label_rated == 1"
_STATISTICS = ("members", "community_rating")


def _schema(*statistics: str) -> Schema:
    features: tuple[Feature, ...] = (
        Categorical("user_id"),
        Categorical("item_id"),
        Categorical("type"),
        Numeric("episodes"),
        *map(Numeric, statistics),
        MultiHot("genre", delimiter=", "),
    )
    return Schema(features, user="user_id", item="item_id")


def _items(*statistics: str) -> tuple[Table, ...]:
    taken = ("genre", "type", "episodes", *statistics)
    return (Table("items", "items.parquet", "item_id", columns=taken),)


ANIME = Entry(
    name="anime",
    title="MyAnimeList sample: rated or not, high, and the score",
    terms="research use",
    source="Kaggle, CooperUnion/anime-recommendations-database, 5,000 users drawn from it",
    rows=520_609,
    folder="anime",
    log="interactions.parquet",
    schema=_schema(*_STATISTICS),
    tasks=(
        Binary("rated", label="label_rated"),
        Binary("high", label="score >= 8", space=_IS_RATED),
        Regression("score", space=_IS_RATED),
    ),
    split=FOLDS,
    tables=_items(*_STATISTICS),
    notes=(
        "community_rating and members are statistics of the whole site; the very scores that are "
        "to be predicted are in them. anime_strict leaves them out.",
    ),
)

ANIME_STRICT = replace(
    ANIME,
    name="anime_strict",
    title="The same without the site's own statistics of a title",
    schema=_schema(),
    tables=_items(),
    notes=(),
)
