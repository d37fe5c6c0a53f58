"""Restaurants: three marks for one visit."""

from __future__ import annotations

from plait.data.joins import Table
from plait.data.schema import Categorical, Schema
from plait.tasks import Binary

from .entry import Entry
from .parts import FOLDS

__all__ = ["UCI_RESTAURANTS"]

_PLACE = (
    "alcohol",
    "smoking_area",
    "dress_code",
    "accessibility",
    "price",
    "ambience",
    "franchise",
    "area",
    "other_services",
)

UCI_RESTAURANTS = Entry(
    name="uci_restaurants",
    title="Restaurants: the top mark overall, for food, for service",
    terms="CC BY 4.0: may be passed on if the paper is named",
    source="UCI Machine Learning Repository, data set 232, Restaurant & consumer data",
    rows=1_161,
    folder="uci_restaurants",
    log="ratings.parquet",
    schema=Schema(
        (Categorical("user_id"), Categorical("place_id"), *map(Categorical, _PLACE)),
        user="user_id",
        item="place_id",
    ),
    tasks=(
        Binary("overall", label="rating == 3"),
        Binary("food", label="food_rating == 3"),
        Binary("service", label="service_rating == 3"),
    ),
    split=FOLDS,
    tables=(Table("places", "places.parquet", "place_id", columns=_PLACE),),
    notes=("1,161 rows: for trying things out, not for figures.",),
)
