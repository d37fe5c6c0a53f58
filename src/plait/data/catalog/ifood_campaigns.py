"""iFood: six campaigns, and who accepted which."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl

from plait.data.reading import read
from plait.data.schema import Categorical, Numeric, Schema
from plait.tasks import Binary

from .entry import Entry
from .parts import FOLDS

__all__ = ["IFOOD"]

_LOG = "ifood_campaigns.parquet"
_NUMERIC = (
    "Year_Birth",
    "Income",
    "Kidhome",
    "Teenhome",
    "Recency",
    "MntWines",
    "MntFruits",
    "MntMeatProducts",
    "MntFishProducts",
    "MntSweetProducts",
    "MntGoldProds",
    "NumDealsPurchases",
    "NumWebPurchases",
    "NumCatalogPurchases",
    "NumStorePurchases",
    "NumWebVisitsMonth",
    "Complain",
    "days_joined",
)


def _read(folder: Path) -> pl.LazyFrame:
    """The log with the day on which a customer joined as a number."""
    joined = pl.col("Dt_Customer").cast(pl.String).str.to_date() - date(2012, 1, 1)
    return read(folder / _LOG).with_columns(days_joined=joined.dt.total_days())


IFOOD = Entry(
    name="ifood_campaigns",
    title="iFood: responses of a customer to six campaigns",
    terms="research use",
    source="iFood CRM data (Omar Romero-Hernandez), on Kaggle as Customer Personality Analysis",
    rows=2_240,
    folder="ifood_campaigns",
    log=_LOG,
    read=_read,
    schema=Schema(
        (Categorical("Education"), Categorical("Marital_Status"), *map(Numeric, _NUMERIC))
    ),
    tasks=(
        *(Binary(f"cmp{number}", label=f"AcceptedCmp{number}") for number in range(1, 6)),
        Binary("response", label="Response"),
    ),
    split=FOLDS,
    notes=("448 test rows, 30 positives of cmp2 in all: rotate the folds before comparing.",),
)
