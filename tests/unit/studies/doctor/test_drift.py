"""Drift: the measures against SciPy and by hand, found where it is and not where it is not."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from tests.unit.makers import Data, make_data, make_log, make_model

from plait.data.store import Store
from plait.studies.doctor.drift import category_shift, feature_drift, label_drift


def drifted(folder: Path, change: pl.Expr, *more: pl.Expr) -> Data:
    """Training rows as they are, later rows changed."""
    later = make_log(600, seed=1).with_columns(change, *more)
    return make_data(folder, frame=make_log(900), valid_frame=later)


def test_the_stability_index_is_that_of_the_shares() -> None:
    before = np.array([4] * 60 + [5] * 40, np.int32)
    after = np.array([4] * 30 + [5] * 70, np.int32)
    p, q = np.array([60.5, 40.5]) / 101, np.array([30.5, 70.5]) / 101
    shift, chance = category_shift(before, after)
    assert shift == pytest.approx(((q - p) * np.log(q / p)).sum())
    assert chance == pytest.approx(1 / 100 + 1 / 100)


@settings(max_examples=25)
@given(st.integers(0, 500), st.integers(2, 200))
def test_two_samples_of_one_distribution_stay_near_chance(seed: int, values: int) -> None:
    rng = np.random.default_rng(seed)
    before, after = (rng.integers(4, 4 + values, 4000).astype(np.int32) for _ in range(2))
    shift, chance = category_shift(before, after)
    assert 0 <= shift < 3 * chance + 0.01


def test_nothing_is_found_where_nothing_changed(tmp_path: Path) -> None:
    data = drifted(tmp_path, pl.col("age"))
    found = {drift.feature: drift for drift in feature_drift(data.train, data.valid, seed=0)}
    assert set(found) == {"user_id", "item_id", "city", "age", "price", "history", "genres"}
    assert {drift.strength for drift in found.values()} == {"none"}
    assert found["user_id"].is_key
    assert not found["city"].is_key


def test_a_number_that_moved_is_found_and_its_distance_is_that_of_scipy(tmp_path: Path) -> None:
    data = drifted(tmp_path, pl.col("price") * 1.6)
    found = {drift.feature: drift for drift in feature_drift(data.train, data.valid, seed=0)}
    before, after = data.frame["price"].to_numpy(), data.valid_frame["price"].to_numpy()
    # Quantiles are cut at ±3, and knots are interpolated: a little of the distance may be lost.
    assert found["price"].value == pytest.approx(stats.ks_2samp(before, after).statistic, abs=0.01)
    assert found["price"].strength in ("some", "strong")
    assert found["price"].n == (900, 600)
    assert found["age"].strength == "none"


def test_a_category_that_moved_is_found(tmp_path: Path) -> None:
    change = pl.when(pl.col("city") == "Bonn").then(pl.lit("Rome")).otherwise("city").alias("city")
    found = {d.feature: d for d in feature_drift(*_stores(drifted(tmp_path, change)), seed=0)}
    assert found["city"].strength == "strong"
    assert found["genres"].strength == "none"


def test_a_column_that_is_no_longer_filled_in_is_found(tmp_path: Path) -> None:
    change = pl.when(pl.col("user_id") < 8).then(None).otherwise("age").alias("age")
    found = {d.feature: d for d in feature_drift(*_stores(drifted(tmp_path, change)), seed=0)}
    assert found["age"].strength == "strong"
    assert found["age"].nulls[0] == pytest.approx(0.1, abs=0.04)
    assert found["age"].nulls[1] > 0.6


def test_a_column_without_a_value_is_unknown(tmp_path: Path) -> None:
    change = pl.lit(None, dtype=pl.Float64).alias("price")
    found = {d.feature: d for d in feature_drift(*_stores(drifted(tmp_path, change)), seed=0)}
    assert math.isnan(found["price"].value)
    assert found["price"].strength == "unknown"


def test_labels_that_moved_are_found_with_their_means(tmp_path: Path) -> None:
    data = drifted(
        tmp_path,
        pl.when(pl.col("user_id") < 9).then(0).otherwise("click").alias("click"),
        pl.lit("yes").alias("answer"),
        (3 * pl.col("seconds")).alias("seconds"),
    )
    found = {d.task: d for d in label_drift(make_model(data), data.train, data.valid)}
    assert found["click"].strength == "strong"
    assert found["click"].means == pytest.approx(
        (data.frame["click"].mean(), data.valid_frame["click"].mean())
    )
    assert found["click"].value == pytest.approx(
        abs(found["click"].means[1] - found["click"].means[0])
    )
    assert found["answer"].measure == "TV"
    assert found["answer"].strength == "strong"
    assert found["seconds"].measure == "KS"
    assert found["seconds"].strength == "strong"
    assert found["like"].strength == "none"


def test_rows_without_labels_leave_label_drift_unknown(tmp_path: Path) -> None:
    data = drifted(tmp_path, pl.lit(None, dtype=pl.Int64).alias("click"))
    found = {d.task: d for d in label_drift(make_model(data), data.train, data.valid)}
    assert found["click"].strength == "unknown"
    assert found["click"].n == (900, 0)


def _stores(data: Data) -> tuple[Store, Store]:
    return data.train, data.valid
