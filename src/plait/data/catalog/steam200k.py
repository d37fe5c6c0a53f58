"""Steam-200k: owned games, whether they were played, and for how long."""

from __future__ import annotations

from plait.data.joins import Table
from plait.data.schema import Categorical, MultiHot, Schema
from plait.tasks import Binary, Regression

from .entry import Entry
from .parts import FOLDS

__all__ = ["STEAM200K"]

STEAM200K = Entry(
    name="steam200k",
    title="Steam: an owned game is played, for ten hours, for how many",
    terms="research use",
    source="Kaggle, tamber/steam-video-games, from public profiles",
    rows=128_804,
    folder="steam200k",
    log="interactions.parquet",
    # n_purchase_rows is no feature: the hours of a game that is listed twice were added up.
    schema=Schema(
        (
            Categorical("user_id"),
            Categorical("item_id"),
            MultiHot("title_words", column="game_name", delimiter=" "),
        ),
        user="user_id",
        item="item_id",
    ),
    tasks=(
        Binary("played", label="label_played"),
        # Of a game that was never played the hours are null, and less than ten.
        Binary("engaged", label="fill_null(hours, 0) >= 10", parents=("played",)),
        Regression("log_hours", label="log1p(hours)", space="label_played == 1"),
    ),
    split=FOLDS,
    tables=(Table("items", "items.parquet", "item_id", columns=("game_name",)),),
    notes=("Ids and titles only: no user features, no time.",),
)
