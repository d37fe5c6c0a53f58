"""MovieLens-100K: stars, and what they say of liking and loving."""

from __future__ import annotations

from dataclasses import replace

from plait.data.joins import Table
from plait.data.schema import Categorical, MultiHot, Numeric, Schema
from plait.data.splits import TimeSplit
from plait.tasks import Binary, Regression

from .entry import Entry
from .parts import FOLDS

__all__ = ["ML100K", "ML100K_TIME"]

ML100K = Entry(
    name="ml100k",
    title="MovieLens-100K: like, love and the stars, random folds",
    terms="research only; may not be passed on",
    source="GroupLens, https://grouplens.org/datasets/movielens/100k/",
    rows=100_000,
    folder="ml100k",
    log="ratings.parquet",
    schema=Schema(
        (
            Categorical("user_id"),
            Categorical("item_id"),
            Numeric("age"),
            Categorical("gender"),
            Categorical("occupation"),
            Categorical("release_year"),
            MultiHot("genres", delimiter=" "),
        ),
        user="user_id",
        item="item_id",
        time="timestamp",
    ),
    tasks=(
        Binary("like", label="rating >= 4"),
        Binary("love", label="rating == 5", parents=("like",)),
        Regression("rating"),
    ),
    split=FOLDS,
    tables=(
        Table("users", "users.parquet", "user_id"),
        Table("items", "items.parquet", "item_id", columns=("release_year", "genres")),
    ),
    notes=("Random folds show the model ratings that came after those it is asked for.",),
)

ML100K_TIME = replace(
    ML100K,
    name="ml100k_time",
    title="MovieLens-100K: like, love and the stars, the last fifth tests",
    split=TimeSplit("time_rank", valid_from=70_000, test_from=80_000),
    notes=("Most users rate within one short period, so nearly all test users are new.",),
)
