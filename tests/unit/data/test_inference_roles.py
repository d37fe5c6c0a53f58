"""Roles: by name, confirmed by counts."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from plait.data.inference.facts import SampledLog, facts_of
from plait.data.inference.roles import guess_roles
from plait.data.inference.words import words_of

ROWS = 600


def _roles(**columns: object) -> dict[str, str]:
    frame = pl.DataFrame(columns)
    facts = facts_of(SampledLog(frame.lazy(), frame, frame.height), frame.columns)
    return {guess.role: guess.column for guess in guess_roles(facts)}


def _ids(distinct: int, seed: int = 0) -> list[int]:
    return np.random.default_rng(seed).integers(distinct, size=ROWS).tolist()


@pytest.mark.parametrize("name", ["user_id", "userId", "uid", "user", "customer_id", "MEMBER_ID"])
def test_people_are_known_by_the_name_of_their_id(name: str) -> None:
    assert _roles(**{name: _ids(50)})["user"] == name


@pytest.mark.parametrize(
    "name", ["user_age", "user_feature_0", "num_users", "device", "users_city"]
)
def test_what_is_told_of_a_user_is_no_user(name: str) -> None:
    assert "user" not in _roles(**{name: _ids(50)})


@pytest.mark.parametrize("name", ["item_id", "sku", "product", "videoId", "article_id", "iid"])
def test_things_are_known_by_the_name_of_their_id(name: str) -> None:
    assert _roles(**{name: _ids(50)})["item"] == name


def test_an_unknown_word_for_things_is_found_as_the_other_id() -> None:
    columns = {"user_id": _ids(40), "author_id": _ids(90, 1), "gadget_id": _ids(70, 2)}
    assert _roles(**columns) == {"user": "user_id", "item": "gadget_id"}


def test_an_id_that_never_repeats_is_nobody() -> None:
    assert _roles(user_id=list(range(ROWS)), item_id=_ids(40)) == {"item": "item_id"}


def test_the_surest_word_wins() -> None:
    assert _roles(device_id=_ids(80), user_id=_ids(50, 1))["user"] == "user_id"


def test_floats_are_no_ids() -> None:
    assert _roles(user_id=np.random.default_rng(0).normal(size=ROWS)) == {}


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("timestamp", [1_700_000_000 + 60 * n for n in range(ROWS)]),
        ("ts", [1_700_000_000_000 + 60 * n for n in reversed(range(ROWS))]),
        ("event_time", [datetime(2024, 1, 1) + timedelta(hours=n) for n in range(ROWS)]),
        ("day", [n // 20 for n in range(ROWS)]),
        ("date", [20_240_101 + n % 28 for n in range(ROWS)]),
        ("logged", [datetime(2024, 1, 1) + timedelta(hours=n) for n in range(ROWS)]),
    ],
)
def test_time_is_an_epoch_a_date_or_steps_forward(name: str, values: list[object]) -> None:
    assert _roles(**{name: values}) == {"time": name}


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("watch_time", _ids(300)),
        ("day", [n % 7 for n in range(ROWS)]),
        ("birth_date", [datetime(1980, 1, 1) + timedelta(days=n) for n in range(ROWS)]),
        ("time", [None, *(1_700_000_000 + n for n in range(ROWS - 1))]),
        ("time_rank", list(range(ROWS))),
        ("click_time", [1_700_000_000 + n for n in range(ROWS)]),
    ],
)
def test_these_are_not_the_time_of_a_row(name: str, values: list[object]) -> None:
    assert "time" not in _roles(**{name: values})


def test_a_request_belongs_to_one_user() -> None:
    request = np.arange(ROWS) // 5
    ours = _roles(user_id=(request % 30).tolist(), request_id=request.tolist())
    assert ours == {"user": "user_id", "request": "request_id"}
    assert "request" not in _roles(user_id=_ids(30), request_id=request.tolist())


def test_scenario_and_position_are_small_numbers_by_name() -> None:
    found = _roles(scenario=_ids(4), position=(np.arange(ROWS) % 10 + 1).tolist())
    assert found == {"scenario": "scenario", "position": "position"}
    assert _roles(position=(np.arange(ROWS) * 10).tolist()) == {}
    assert _roles(scenario=_ids(300)) == {}


def test_words_are_split_at_signs_digits_and_capitals() -> None:
    assert words_of("AcceptedCmp3") == ("accepted", "cmp", "3")
    assert words_of("HTTPStatus") == ("http", "status")
    assert words_of("Дата-визита") == ("дата", "визита")
