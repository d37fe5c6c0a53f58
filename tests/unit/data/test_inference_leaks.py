"""Planted leaks are found, and honest columns are left alone."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from tests.unit.data.inference_planted import LEAKS, make_table

from plait.data.inference import Caution, draft
from plait.data.inference.association import held_out
from plait.data.row_hash import uniform

TABLES = 30


@pytest.mark.parametrize("seed", range(TABLES))
def test_every_planted_leak_is_found_with_at_most_one_false_alarm(seed: int) -> None:
    table, planted = make_table(seed)
    made = draft(table)
    suspects = {caution.columns[0] for caution in made.warnings if caution.is_leak}
    assert set(planted) <= suspects
    assert len(suspects - set(planted)) <= 1
    read = {guess.column for guess in made.features if guess.is_used}
    assert not read & set(planted)


def test_the_tables_hold_six_kinds_of_leak_and_honest_columns() -> None:
    kinds = [kind for seed in range(TABLES) for kind in make_table(seed)[1].values()]
    assert len(LEAKS) == 6
    assert all(kinds.count(kind) >= 5 for kind in set(kinds))
    assert len(kinds) == 73  # the number that the docs tell
    table, planted = make_table(0)
    assert {"past_rate", "past_clicks", "quality", "coupon"} <= set(table.columns) - set(planted)


def _leaks(frame: pl.DataFrame) -> dict[str, Caution]:
    return {c.columns[0]: c for c in draft(frame).warnings if c.is_leak}


def _log(rows: int = 4_000) -> tuple[np.random.Generator, dict[str, object]]:
    rng = np.random.default_rng(0)
    item = rng.integers(50, size=rows)
    appeal = rng.uniform(0.05, 0.6, size=50)
    return rng, {
        "item_id": item,
        "x": rng.normal(size=rows),
        "click": (rng.random(rows) < appeal[item]).astype(int),
    }


def test_the_numbers_of_a_leak_are_told() -> None:
    rng, log = _log()
    click = np.asarray(log["click"])
    log["note"] = np.where((click > 0) & (rng.random(4_000) < 0.5), "seen", None).tolist()
    found = _leaks(pl.DataFrame(log))["note"]
    assert found.kind == "follows_label"
    assert found.columns == ("note", "click")
    assert found.numbers["outside"] == 0
    assert found.reason == (
        f"filled on {found.numbers['inside']:,.0f} rows where 'click' is positive, on 0 others"
    )


def test_what_follows_a_label_is_drafted_as_known_after() -> None:
    rng, log = _log()
    log["paid_with"] = np.where(np.asarray(log["click"]) > 0, rng.integers(1, 5, 4_000), 0)
    made = draft(pl.DataFrame(log))
    guess = next(g for g in made.features if g.column == "paid_with")
    assert guess.feature is not None
    assert guess.feature.known == "after"
    assert not guess.is_used


def test_few_rows_that_agree_are_no_leak() -> None:
    frame = pl.DataFrame(
        {
            "user_id": [1, 2, 3, 4, 5] * 8,
            "flag": [0, 0, 0, 0, 1] * 2 + [0] * 30,
            "click": [0, 0, 0, 0, 1] * 2 + [0] * 15 + [1] * 15,
        }
    )
    assert _leaks(frame) == {}


def test_a_copy_of_a_class_is_found() -> None:
    rng = np.random.default_rng(0)
    target = rng.integers(3, size=1_000)
    frame = pl.DataFrame(
        {
            "x": rng.normal(size=1_000),
            "twin": np.array(["p", "q", "r"])[target],
            "target": np.array(["a", "b", "c"])[target],
        }
    )
    assert _leaks(frame)["twin"].kind == "determines_label"


def test_a_number_in_the_order_of_a_label_is_found() -> None:
    rng = np.random.default_rng(0)
    spend = rng.exponential(20, size=2_000)
    frame = pl.DataFrame(
        {"x": rng.normal(size=2_000), "points": np.floor(spend * 50), "spend": spend}
    )
    assert _leaks(frame)["points"].kind == "determines_label"


@pytest.mark.parametrize("form", ["mean", "smoothed", "without the row", "count", "percent"])
def test_a_mean_label_is_found_however_it_was_made(form: str) -> None:
    _, log = _log()
    frame = pl.DataFrame(log)
    label, total, n = pl.col("click"), pl.col("click").sum(), pl.len()
    forms = {
        "mean": total / n,
        "smoothed": (total + 2) / (n + 20),
        "without the row": (total - label) / (n - 1),
        "count": total,
        "percent": (100 * total / n).round(1),
    }
    frame = frame.with_columns(forms[form].over("item_id").alias("heat"))
    assert _leaks(frame)["heat"].kind in ("target_rate", "determines_label")


def test_the_truth_behind_a_label_is_no_leak_though_it_explains_the_means() -> None:
    rng = np.random.default_rng(1)
    item = rng.integers(200, size=40_000)
    chance = rng.uniform(0.05, 0.6, size=200)
    frame = pl.DataFrame(
        {
            "item_id": item,
            "chance": chance[item],
            "click": (rng.random(40_000) < chance[item]).astype(int),
        }
    )
    rates = frame.group_by("item_id").agg(pl.col("chance", "click").mean())
    assert np.corrcoef(rates["chance"], rates["click"])[0, 1] > 0.97
    assert _leaks(frame) == {}


def test_held_out_rates_equal_a_loop_over_pairs() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(4, size=300)
    label = rng.random(300) < 0.2 + 0.15 * codes
    first = uniform(np.arange(300, dtype=np.uint64), seed=1) < 0.5
    areas = []
    for taught, judged in ((first, ~first), (~first, first)):
        total = label[taught].mean()
        rate = [
            (label[taught & (codes == code)].sum() + total) / ((taught & (codes == code)).sum() + 1)
            for code in range(4)
        ]
        scores = np.array(rate)[codes[judged]]
        yes, no = scores[label[judged]], scores[~label[judged]]
        wins = (yes[:, None] > no).mean() + 0.5 * (yes[:, None] == no).mean()
        areas.append(wins)
    assert held_out(codes, label)[0] == pytest.approx(np.mean(areas), abs=1e-12)


def test_a_column_without_information_takes_no_uncertainty() -> None:
    auc, told = held_out(np.zeros(200, dtype=np.int64), np.arange(200) % 2 == 0)
    assert auc == pytest.approx(0.5)
    assert abs(told) < 0.01
    assert held_out(np.zeros(9, dtype=np.int64), np.zeros(9, dtype=np.bool_)) == (0.5, 0.0)
