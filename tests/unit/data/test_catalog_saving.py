"""A log that had to be made, kept as Parquet."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tests.unit.data.catalog_making import make_set

from plait.data import catalog
from plait.data.reading import read
from plait.errors import DataError


def test_a_log_that_was_made_becomes_a_file(tmp_path: Path) -> None:
    make_set("aliexpress", tmp_path)
    found = catalog.load("aliexpress", tmp_path)
    path = tmp_path / "made" / "log.parquet"
    saved = catalog.save_log(found, path)
    assert saved == replace(found, log=path)
    assert_frame_equal(pl.read_parquet(path), read(found.log).collect())
    assert [file.name for file in path.parent.iterdir()] == ["log.parquet"]


def test_a_log_that_is_a_file_stays_where_it_is(tmp_path: Path) -> None:
    make_set("hillstrom", tmp_path)
    found = catalog.load("hillstrom", tmp_path)
    assert catalog.save_log(found, tmp_path / "log.parquet") is found
    assert not (tmp_path / "log.parquet").exists()


def test_only_parquet_is_written(tmp_path: Path) -> None:
    make_set("aliexpress", tmp_path)
    found = catalog.load("aliexpress", tmp_path)
    with pytest.raises(DataError, match=r"log.csv: .* name a file that ends in .parquet"):
        catalog.save_log(found, tmp_path / "log.csv")


def test_a_broken_line_far_down_is_an_error_and_leaves_no_file(tmp_path: Path) -> None:
    place = make_set("byterec", tmp_path)
    with (place / "final_track2_train.txt").open("a") as file:
        file.write("\t".join(["no number"] * 12) + "\n")
    found = catalog.load("byterec", tmp_path)
    with pytest.raises(DataError, match=r"The log of 'byterec' cannot be written to .*log.parquet"):
        catalog.save_log(found, tmp_path / "log.parquet")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["byterec"]
