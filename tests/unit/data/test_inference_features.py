"""How a column is read, and which columns are left out."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from plait.data.inference import FeatureGuess, draft
from plait.data.schema import Categorical, Feature, MultiHot, Numeric, Sequence, Vector
from plait.errors import DataError

ROWS = 600
RNG = np.random.default_rng(3)
CLICK = RNG.integers(2, size=ROWS)
USER = RNG.integers(40, size=ROWS)
ITEM = RNG.integers(60, size=ROWS)
GENRES = ["|".join(sorted({a, b, c})) for a in "pqr" for b in "qrst" for c in "stu"]


def _guess(name: str, values: object, **more: object) -> FeatureGuess:
    made = draft(pl.DataFrame({"user_id": USER, name: values, "click": CLICK, **more}))
    return next(guess for guess in made.features if guess.column == name)


def _texts(*texts: str) -> list[str]:
    return RNG.choice(texts, size=ROWS).tolist()


@pytest.mark.parametrize(
    ("name", "values", "feature"),
    [
        ("shelf", _texts("a", "b"), Categorical("shelf")),
        ("is_new", RNG.integers(2, size=ROWS).astype(bool), Categorical("is_new")),
        ("flag", RNG.integers(2, size=ROWS), Categorical("flag")),
        ("brand_id", RNG.integers(90, size=ROWS), Categorical("brand_id")),
        ("101", RNG.integers(90, size=ROWS), Categorical("101")),
        ("stock", RNG.integers(90, size=ROWS), Numeric("stock")),
        ("price", RNG.exponential(size=ROWS), Numeric("price")),
        ("embedding", RNG.normal(size=(ROWS, 3)).tolist(), Vector("embedding", size=3)),
        ("labels_seen", [[1, 2], [3]] * (ROWS // 2), MultiHot("labels_seen")),
        ("genres", _texts(*GENRES), MultiHot("genres", delimiter="|")),
        ("recent_views", [[1, 2], [3]] * (ROWS // 2), Sequence("recent_views")),
    ],
)
def test_a_column_is_read_by_its_values_and_its_name(
    name: str, values: object, feature: Feature
) -> None:
    guess = _guess(name, values)
    assert guess.feature == feature
    assert guess.is_used


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("row_id", np.arange(ROWS), "the row's own id"),
        ("user", np.arange(ROWS)[::-1], "the row's own id"),
        ("n", np.arange(ROWS) + 7, "the row's own id"),
        ("note", [f"text {n}" for n in range(ROWS)], "another text on every row"),
        ("", RNG.normal(size=ROWS), "a column without a name"),
        ("since", [str(date(2020, 1, 1) + timedelta(n % 9)) for n in range(ROWS)], "dates written"),
        ("birth", [date(1990, 1, 1) + timedelta(n % 9) for n in range(ROWS)], "a moment"),
        ("ratio", np.where(USER > 20, np.inf, 1.5), "infinite"),
        ("pairs", [[[1], [2]], [[3]]] * (ROWS // 2), "lists of lists"),
        ("signal", [[0.5], [0.5, 1.5]] * (ROWS // 2), "lists of numbers of different lengths"),
        ("pscore", RNG.random(ROWS), "the chance that the old policy showed the item"),
        ("sample_weight", RNG.random(ROWS), "a weight of the row by its name"),
    ],
)
def test_what_a_model_cannot_or_should_not_read_is_left_out(
    name: str, values: object, reason: str
) -> None:
    guess = _guess(name, values)
    assert not guess.is_used
    assert reason in guess.reason


def test_a_list_of_items_shares_their_vectors() -> None:
    past = [[int(at), int(at) // 2] for at in ITEM]
    guess = _guess("history", past, item_id=ITEM)
    assert guess.feature == Sequence("history", shares="item_id")
    text = ["|".join(map(str, items)) for items in past]
    assert _guess("history", text, item_id=ITEM).feature == Sequence(
        "history", delimiter="|", shares="item_id"
    )
    others = [[at + 1_000, at + 1_001] for at in ITEM.tolist()]
    assert _guess("history", others, item_id=ITEM).feature == Sequence("history")


def test_a_count_of_past_events_is_read_with_a_word_of_care() -> None:
    guess = _guess("num_clicks_7d", RNG.poisson(3, size=ROWS))
    assert guess.is_used
    assert "see that only earlier rows are in it" in guess.reason


def test_a_log_of_labels_alone_has_nothing_to_read() -> None:
    with pytest.raises(DataError, match=r"No column is left that a model may read\. There is none"):
        draft(pl.DataFrame({"click": CLICK}))
    with pytest.raises(DataError, match=r"may read\. row_id: another number on every row"):
        draft(pl.DataFrame({"row_id": np.arange(ROWS), "click": CLICK}))
