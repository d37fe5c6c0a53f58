"""Checkpoints: whole or not at all, whenever the process is killed."""

from __future__ import annotations

import errno
import math
from pathlib import Path

import pytest
import torch

from plait.errors import CheckpointError, TrainingError
from plait.training import checkpoint as checkpoints
from plait.training.checkpoint import (
    read_checkpoint,
    write_checkpoint,
    write_json,
)


def write(folder: Path, number: int) -> None:
    write_checkpoint(folder, {"w": torch.tensor([float(number)])}, {"steps": number})


def steps_in(folder: Path) -> int:
    found = read_checkpoint(folder)
    assert found is not None
    tensors, state = found
    assert tensors["w"].tolist() == [float(state["steps"])]
    return int(state["steps"])


def test_what_is_written_is_read_and_nothing_else_is_left(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "checkpoint"
    assert read_checkpoint(folder) is None
    for number in (1, 2):
        write(folder, number)
        assert steps_in(folder) == number
    assert [path.name for path in folder.parent.iterdir()] == ["checkpoint"]
    assert {path.name for path in folder.iterdir()} == {"state.json", "tensors.safetensors"}


@pytest.mark.parametrize("killed_at", [1, 2])
def test_a_checkpoint_is_readable_wherever_the_process_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_at: int
) -> None:
    folder = tmp_path / "checkpoint"
    write(folder, 1)
    rename, calls = Path.rename, []

    def killed(self: Path, target: Path) -> Path:
        if self.is_dir():
            calls.append(self)
            if len(calls) == killed_at:
                raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", killed)
    with pytest.raises(KeyboardInterrupt):
        write(folder, 2)
    monkeypatch.undo()
    assert steps_in(folder) == 1
    write(folder, 3)
    assert steps_in(folder) == 3


def test_the_old_checkpoint_outlives_a_second_kill_between_the_renames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "checkpoint"
    write(folder, 1)
    folder.rename(tmp_path / "checkpoint.old")  # killed between the renames

    def killed(self: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints, "save_tensors", lambda tensors, path: path.touch())
    monkeypatch.setattr(checkpoints, "write_json", lambda content, path: path.touch())
    monkeypatch.setattr(Path, "rename", killed)
    with pytest.raises(KeyboardInterrupt):
        write(folder, 2)
    monkeypatch.undo()
    assert steps_in(folder) == 1


def test_a_full_disk_leaves_the_old_checkpoint_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "checkpoint"
    write(folder, 1)

    def full(tensors: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoints, "save_file", full)
    with pytest.raises(TrainingError, match=r"cannot be written: .*No space left.*Free some space"):
        write(folder, 2)
    monkeypatch.undo()
    assert steps_in(folder) == 1
    write(folder, 2)
    assert steps_in(folder) == 2


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("tensors.safetensors", b"\x00" * 40, "cannot be read"),
        ("tensors.safetensors", None, "No such file"),
        ("state.json", b'{"version": 1, ', "cannot be read"),
        ("state.json", b"\xff\xfe", "cannot be read"),
        ("state.json", b"[]", "version None"),
        ("state.json", b'{"version": 99}', "version 99, this plait reads 1"),
    ],
)
def test_a_damaged_checkpoint_says_so_and_tells_the_way_out(
    tmp_path: Path, file: str, content: bytes | None, words: str
) -> None:
    folder = tmp_path / "checkpoint"
    write(folder, 1)
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_bytes(content)
    with pytest.raises(CheckpointError, match=words) as caught:
        read_checkpoint(folder)
    assert str(folder) in str(caught.value)
    assert "Remove the folder to train from the start" in str(caught.value)


def test_json_keeps_nan(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "c", {}, {"mix": math.nan})
    found = read_checkpoint(tmp_path / "c")
    assert found is not None
    assert math.isnan(found[1]["mix"])


def test_json_is_written_whole(tmp_path: Path) -> None:
    write_json({"name": "käse"}, tmp_path / "a.json")
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == '{\n "name": "käse"\n}\n'
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
