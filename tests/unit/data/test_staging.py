"""A lazy frame computed once and read back in chunks."""

from __future__ import annotations

import errno
from pathlib import Path

import polars as pl
import pytest

from plait.data import staging
from plait.data.staging import chunks, stage
from plait.errors import DataError

NUMBERS = list(range(10))
FRAME = pl.DataFrame({"a": NUMBERS, "b": list(map(str, NUMBERS)), "c": [[n] for n in NUMBERS]})


def test_the_columns_are_written_in_order_and_mapped_back(tmp_path: Path) -> None:
    staged = stage(FRAME.lazy(), ["c", "a"], tmp_path / "raw.arrow")
    assert staged.collect().equals(FRAME.select("c", "a"))


def test_chunks_hold_every_row_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "CHUNK_ROWS", 4)
    staged = stage(FRAME.lazy(), ["a", "b"], tmp_path / "raw.arrow")
    parts = list(chunks(staged, 10))
    assert [len(part) for part in parts] == [4, 4, 2]
    assert pl.concat(parts).equals(FRAME.select("a", "b"))
    assert list(chunks(staged, 0)) == []


def test_a_disk_that_is_full_is_told_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object, **keywords: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pl.LazyFrame, "sink_ipc", full)
    with pytest.raises(DataError, match=r"written to: No space left.* Free some space") as e:
        stage(FRAME.lazy(), ["a"], tmp_path / "raw.arrow")
    assert str(tmp_path) in str(e.value)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"No such file or directory"):
        stage(FRAME.lazy(), ["a"], tmp_path / "nowhere" / "raw.arrow")


def test_rows_that_cannot_be_computed_are_told(tmp_path: Path) -> None:
    broken = FRAME.lazy().with_columns(a=pl.col("b").str.to_date("%Y"))
    with pytest.raises(DataError, match=r"The rows cannot be read: conversion from"):
        stage(broken, ["a"], tmp_path / "raw.arrow")


def test_a_source_that_went_away_is_told(tmp_path: Path) -> None:
    FRAME.write_parquet(tmp_path / "log.parquet")
    rows = pl.scan_parquet(tmp_path / "log.parquet")
    (tmp_path / "log.parquet").unlink()
    with pytest.raises(DataError, match=r"The rows cannot be read: No such file .*log\.parquet"):
        stage(rows, ["a"], tmp_path / "raw.arrow")
