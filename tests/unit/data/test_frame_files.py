"""Frames appended to one file."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from plait.data.frame_files import append_frames
from plait.errors import DataError

READERS: dict[str, Callable[[Path], pl.DataFrame]] = {
    "a.parquet": pl.read_parquet,
    "a.csv": pl.read_csv,
    "a.arrow": pl.read_ipc,
}
FRAME = pl.DataFrame({"user": ["u1", None, "ü3"], "click": [0.25, 0.5, None], "n": [1, 2, 3]})


def _write(path: Path, *frames: pl.DataFrame) -> None:
    with append_frames(path) as append:
        for frame in frames:
            append(frame)


@pytest.mark.parametrize("name", READERS)
def test_frames_are_one_file_in_their_order(name: str, tmp_path: Path) -> None:
    path = tmp_path / "deep" / name
    with append_frames(path) as append:
        for part in FRAME.iter_slices(2):
            append(part)
        assert not path.exists()
    assert_frame_equal(READERS[name](path), FRAME)
    assert [file.name for file in path.parent.iterdir()] == [name]


@pytest.mark.parametrize("name", READERS)
def test_no_rows_are_a_file_with_columns(name: str, tmp_path: Path) -> None:
    with append_frames(tmp_path / name) as append:
        append(FRAME.clear())
    found = READERS[name](tmp_path / name)
    assert (found.height, found.columns) == (0, FRAME.columns)


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow"])
def test_lists_and_categories_are_kept_as_lists_and_texts(name: str, tmp_path: Path) -> None:
    column = pl.Series("kind", ["a", "b"], dtype=pl.Categorical)
    with append_frames(tmp_path / name) as append:
        append(pl.DataFrame({"kind": column, "seen": [[1], [2, 3]]}))
        append(pl.DataFrame({"kind": column.reverse(), "seen": [[], [4]]}))
    assert READERS[name](tmp_path / name).to_dict(as_series=False) == {
        "kind": ["a", "b", "b", "a"],
        "seen": [[1], [2, 3], [], [4]],
    }


@pytest.mark.parametrize("name", READERS)
def test_other_columns_are_refused_and_nothing_is_left(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"columns n Int64; the first ones had n String"):
        _write(tmp_path / name, pl.DataFrame({"n": ["x"]}), pl.DataFrame({"n": [1]}))
    assert list(tmp_path.iterdir()) == []


def test_an_error_between_frames_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(b"old")
    with pytest.raises(AttributeError):
        _write(path, FRAME, None)  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_csv", full)
    with pytest.raises(DataError, match=r"a.csv could not be written: No space left.*Free some"):
        _write(tmp_path / "a.csv", FRAME)


def test_the_suffix_must_be_known(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"one of .parquet, .csv, .arrow, got '.xlsx'"):
        _write(tmp_path / "a.xlsx", FRAME)
