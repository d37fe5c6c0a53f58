"""ICME 2019 short videos (ByteDance): watched to the end, and liked."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from plait.data.schema import Categorical, Numeric, Schema
from plait.data.splits import TimeSplit
from plait.errors import DataError
from plait.tasks import Binary

from .entry import Entry

__all__ = ["BYTEREC"]

_LOG = "final_track2_train.txt"
_COLUMNS = (
    "uid",
    "user_city",
    "item_id",
    "author_id",
    "item_city",
    "channel",
    "finish",
    "like",
    "music_id",
    "device",
    "time",
    "duration_time",
)
_MAY_BE_UNKNOWN = ("user_city", "item_city", "music_id")


def _read(folder: Path) -> pl.LazyFrame:
    """The log: a header is added, and -1 is missing."""
    path = folder / _LOG
    _check_first_line(path)
    table = pl.scan_csv(
        path,
        separator="\t",
        has_header=False,
        schema=pl.Schema(dict.fromkeys(_COLUMNS, pl.Int64)),
        glob=False,
    )
    return table.with_columns(pl.col(_MAY_BE_UNKNOWN).replace(-1, None))


def _check_first_line(path: Path) -> None:
    with path.open(encoding="utf-8", errors="replace") as lines:
        fields = lines.readline().rstrip("\n").split("\t")
    is_whole = [field.removeprefix("-").isdecimal() for field in fields]
    if len(fields) != len(_COLUMNS) or not all(is_whole):
        raise DataError(
            f"{path}, line 1: {len(fields)} fields by tabs, starting with {fields[0]!r}, where "
            f"{len(_COLUMNS)} whole numbers were expected ({', '.join(_COLUMNS)}). The published "
            "file has no header; the one without labels is another file."
        )


BYTEREC = Entry(
    name="byterec",
    title="ICME 2019 short videos: watched to the end, and liked",
    terms="research use under the terms of the challenge; may not be passed on",
    source="ByteDance, ICME 2019 Short Video Understanding and Recommendation, track 2 (biendata)",
    folder="byterec",
    log=_LOG,
    read=_read,
    schema=Schema(
        (
            Categorical("uid"),
            Categorical("item_id"),
            Categorical("author_id"),
            Categorical("user_city"),
            Categorical("item_city"),
            Categorical("channel"),
            Categorical("music_id"),
            Categorical("device"),
            Numeric("duration_time"),
        ),
        user="uid",
        item="item_id",
        time="time",
    ),
    tasks=(Binary("finish"), Binary("like")),
    split=TimeSplit(),
    notes=("The test file of the challenge has no labels: the last part of the log tests.",),
)
