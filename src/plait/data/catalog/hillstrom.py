"""Hillstrom: a mail, a visit, a purchase, its amount."""

from __future__ import annotations

from plait.data.schema import Categorical, Numeric, Schema
from plait.tasks import Binary, Value

from .entry import Entry
from .parts import FOLDS

__all__ = ["HILLSTROM"]

HILLSTROM = Entry(
    name="hillstrom",
    title="Hillstrom's mail campaign: visit, conversion, spend",
    terms="published for an open challenge without a licence: research use, with attribution",
    source="Kevin Hillstrom, MineThatData E-Mail Analytics And Data Mining Challenge, 2008",
    rows=64_000,
    folder="hillstrom",
    log="hillstrom.parquet",
    schema=Schema(
        (
            Numeric("recency"),
            Numeric("history"),
            Categorical("history_segment"),
            Categorical("mens"),
            Categorical("womens"),
            Categorical("zip_code"),
            Categorical("newbie"),
            Categorical("channel"),
            Categorical("segment"),
        )
    ),
    tasks=(
        Binary("visit"),
        Binary("conversion", parents=("visit",)),
        Value("spend", parents=("conversion",)),
    ),
    split=FOLDS,
    notes=(
        "578 conversions: an AUC is known to within 0.025 only. Good for funnels and calibration.",
        "segment, the arm of the trial, was drawn at random.",
    ),
)
