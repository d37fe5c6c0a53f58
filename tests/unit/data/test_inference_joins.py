"""Side tables find their key."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
import pytest

from plait.data.inference import Draft, draft
from plait.errors import DataError

ROWS = 900
RNG = np.random.default_rng(5)
ITEM = RNG.integers(60, size=ROWS)
LOG = pl.DataFrame(
    {
        "user_id": RNG.integers(40, size=ROWS),
        "item_id": ITEM,
        "time": np.arange(ROWS) + 1_700_000_000,
        "click": RNG.integers(2, size=ROWS),
    }
)
ITEMS = pl.DataFrame({"item_id": np.arange(60), "price": RNG.exponential(size=60)})


def _draft(tables: Mapping[str, pl.DataFrame]) -> Draft:
    return draft(LOG, tables)


def test_a_table_is_joined_on_the_name_that_both_have() -> None:
    (guess,) = _draft({"items": ITEMS}).tables
    assert guess.table.keys == {"item_id": "item_id"}
    assert guess.unmatched == 0.0
    assert guess.reason == "both have it, unique in the table; 100.0% of the log's rows find one"


@pytest.mark.parametrize("name", ["id", "itemId", "ITEM_ID"])
def test_the_name_of_the_table_stands_for_a_word_of_its_key(name: str) -> None:
    (guess,) = _draft({"items": ITEMS.rename({"item_id": name})}).tables
    assert guess.table.keys == {"item_id": name}
    assert guess.reason.startswith(f"'item_id' is '{name}' there")


def test_columns_of_a_table_are_features_and_never_labels() -> None:
    table = ITEMS.with_columns(rating=pl.Series(RNG.integers(1, 6, size=60)))
    made = _draft({"items": table})
    assert {"price", "rating"} <= {guess.column for guess in made.features if guess.is_used}
    assert [guess.task.name for guess in made.tasks] == ["click"]


def test_columns_of_one_name_get_the_name_of_the_table_in_front() -> None:
    made = _draft({"items": ITEMS.with_columns(click=pl.lit(1) + pl.col("item_id"))})
    assert made.tables[0].table.prefix == "items_"
    assert "items_click" in {guess.column for guess in made.features}


def test_rows_without_a_partner_are_counted_and_said() -> None:
    made = _draft({"items": ITEMS.head(30)})
    lost = int((ITEM >= 30).sum())
    assert made.tables[0].unmatched == pytest.approx(lost / ROWS)
    (caution,) = [c for c in made.warnings if c.kind == "unmatched_keys"]
    assert caution.reason == f"{lost} of 900 rows find none in 'items' by 'item_id'"


def test_a_table_with_a_time_is_joined_point_in_time() -> None:
    prices = pl.concat(
        [ITEMS.with_columns(time=pl.lit(1_700_000_000 + at)) for at in (-5, 300, 600)]
    )
    (guess,) = _draft({"prices": prices}).tables
    assert guess.table.time == "time"
    assert "the latest row before each row of the log" in guess.reason


def test_two_tables_are_joined() -> None:
    users = pl.DataFrame({"user_id": np.arange(40), "age": RNG.integers(18, 80, size=40)})
    made = _draft({"users": users, "items": ITEMS})
    assert [guess.table.name for guess in made.tables] == ["users", "items"]
    assert {"age", "price"} <= {guess.column for guess in made.features}


def test_a_table_without_a_key_is_refused() -> None:
    with pytest.raises(DataError, match=r"'items' shares no key with the log.*Rename the key"):
        _draft({"items": ITEMS.rename({"item_id": "thing"})})
    with pytest.raises(DataError, match=r"'items' shares no key with the log"):
        _draft({"items": ITEMS.with_columns(pl.col("item_id").cast(pl.String))})


def test_a_table_that_would_multiply_rows_is_refused() -> None:
    with pytest.raises(DataError, match=r"several rows for each 'item_id'.*point-in-time join"):
        _draft({"items": pl.concat([ITEMS, ITEMS])})
