"""Warnings other than leaks: constants, copies, personal data, protected attributes, few labels."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from plait.data.inference import Caution, Draft, draft, sentences

ROWS = 800
RNG = np.random.default_rng(11)
CLICK = (RNG.random(ROWS) < 0.4).astype(int)
X = RNG.normal(size=ROWS)
CODE = RNG.integers(9, size=ROWS)


def _draft(**columns: object) -> Draft:
    return draft(pl.DataFrame({"x": X, **columns, "click": columns.get("click", CLICK)}))


def _found(made: Draft, kind: str) -> dict[tuple[str, ...], str]:
    return {c.columns: c.reason for c in made.warnings if c.kind == kind}


def _used(made: Draft) -> set[str]:
    return {guess.column for guess in made.features if guess.is_used}


def test_constants_are_said_and_left_out() -> None:
    made = _draft(a=[3] * ROWS, b=["q"] * ROWS, c=pl.Series([None] * ROWS, dtype=pl.Float64()))
    assert _found(made, "constant") == {
        ("a",): "3 on every row",
        ("b",): "'q' on every row",
        ("c",): "null on every row",
    }
    assert _used(made) == {"x"}


def test_copies_are_said_and_the_later_one_is_left_out() -> None:
    names = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight"])
    made = _draft(code=CODE, name=names[CODE], again=X, near=X + RNG.normal(size=ROWS) * 1e-4)
    assert _found(made, "duplicate") == {
        ("name", "code"): "one value for each value of 'code': the same under other names",
        ("again", "x"): "the same values as 'x'",
    }
    assert list(_found(made, "near_duplicate")) == [("near", "x")]
    assert not _used(made) & {"name", "again"}
    assert "near" in _used(made)


def test_columns_that_are_only_correlated_are_no_copies() -> None:
    made = _draft(near=X + RNG.normal(size=ROWS) * 0.1, code=CODE, coarse=CODE // 2)
    assert not _found(made, "duplicate")
    assert not _found(made, "near_duplicate")


@pytest.mark.parametrize(
    ("name", "values", "what"),
    [
        ("contact", [f"u{n % 50}@example.org" for n in range(ROWS)], "e-mail addresses"),
        ("line", [f"+49 170 {1_000_000 + n % 90}" for n in range(ROWS)], "phone numbers"),
        ("mobile", RNG.integers(10**9, 10**10, size=ROWS), "phone numbers"),
        ("from", [f"192.0.2.{n % 90}" for n in range(ROWS)], "IP addresses"),
        ("spot", [f"52.{5_000 + n % 90},13.{4_000 + n % 90}" for n in range(ROWS)], "coordinates"),
        ("latitude", RNG.uniform(-80, 80, size=ROWS), "coordinates"),
        ("lng", RNG.uniform(-170, 170, size=ROWS), "coordinates"),
        ("last_name", [f"N{chr(97 + n % 26)}" for n in range(ROWS)], "names of people"),
        ("name", [f"Ada N{chr(97 + n % 26)}" for n in range(ROWS)], "names of people"),
        ("street", [f"Road {n % 99}" for n in range(ROWS)], "postal addresses"),
        ("iban", [f"DE{n % 99}" for n in range(ROWS)], "numbers of documents"),
    ],
)
def test_personal_data_is_said_and_left_out(name: str, values: object, what: str) -> None:
    made = _draft(**{name: values})
    assert _found(made, "personal") == {(name,): f"{what}, it seems"}
    assert name not in _used(made)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("device", RNG.choice(["phone", "web"], size=ROWS)),
        ("phone", RNG.integers(2, size=ROWS)),
        ("day", [f"2024-01-{1 + n % 28:02d}" for n in range(ROWS)]),
        ("name", [f"blue shoe {n % 26}" for n in range(ROWS)]),
        ("lat", RNG.uniform(100, 900, size=ROWS)),
        ("version", [f"4.{n % 30}.1" for n in range(ROWS)]),
    ],
)
def test_these_are_no_personal_data(name: str, values: object) -> None:
    assert not _found(_draft(**{name: values}), "personal")


def test_protected_attributes_are_said_and_their_groups_judged() -> None:
    columns = {
        "gender": RNG.choice(["f", "m"], size=ROWS),
        "age": RNG.integers(18, 80, size=ROWS),
        "race": RNG.choice(["p", "q", "r"], size=ROWS),
        "stage": RNG.integers(3, size=ROWS),
    }
    made = _draft(**columns)
    assert set(_found(made, "protected")) == {("gender",), ("age",), ("race",)}
    assert made.slices == ("gender", "race")
    assert {"gender", "age", "race"} <= _used(made)


def test_parts_that_were_made_for_one_label_are_said() -> None:
    part = np.where(CLICK == 0, "none", np.where(X > 0.5, "test", "train"))
    made = _draft(part=part)
    assert list(_found(made, "split_tells_label")) == [("part", "click")]


def test_a_task_whose_training_rows_are_all_alike_is_left_out() -> None:
    fold = np.arange(ROWS) // (ROWS // 10)
    buy = ((fold == 9) & (np.arange(ROWS) % 3 == 0)).astype(int)
    made = _draft(fold=fold, buy=buy)
    buys = next(guess for guess in made.tasks if guess.task.name == "buy")
    assert not buys.is_used
    rows = int((fold < 7).sum())
    assert _found(made, "not_learnable") == {
        ("buy",): f"each of its {rows} training rows has the label 0, so there is nothing to tell "
        "apart"
    }


def test_what_has_one_reason_is_told_in_one_line() -> None:
    same = [Caution("constant", (f"c{n}",), "0 on every row") for n in range(14)]
    other = Caution("follows_label", ("note", "buy"), "filled on 9 rows")
    listed = ", ".join(f"c{n}" for n in range(12))
    assert sentences([*same, other]) == [
        f"constant: {listed} and 2 more: 0 on every row",
        "follows label: note: filled on 9 rows",
    ]
