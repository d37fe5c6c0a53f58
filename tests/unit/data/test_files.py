"""Files that are there whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from plait.data.files import replacing, sync


def test_a_file_is_replaced_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    path.write_bytes(b"old")
    with replacing(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert [found.name for found in tmp_path.iterdir()] == ["facts.json"]


def test_on_an_error_the_old_file_stays_and_no_part_is_left(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match="no fit"), replacing(path) as file:
        file.write(_unwritable())
    assert path.read_bytes() == b"old"
    assert [found.name for found in tmp_path.iterdir()] == ["facts.json"]


def test_files_and_folders_can_be_brought_to_disk(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    sync(tmp_path / "a")
    sync(tmp_path)


def _unwritable() -> bytes:
    raise ValueError("no fit")
