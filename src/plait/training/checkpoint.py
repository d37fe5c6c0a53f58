"""Checkpoints: a folder of tensors and JSON, written beside and renamed, never half there."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from plait.data.files import sync
from plait.errors import CheckpointError, TrainingError

VERSION = 1


def write_checkpoint(folder: Path, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Write a checkpoint; an older one in `folder` stays until the new one is complete.

    Raises:
        TrainingError: the disk is full or cannot be written to.
    """
    beside = folder.with_name(folder.name + ".writing")
    old = folder.with_name(folder.name + ".old")
    try:
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        save_tensors(tensors, beside / "tensors.safetensors")
        write_json({"version": VERSION, **state}, beside / "state.json")
        if folder.exists():  # else `old` may be all that there is
            shutil.rmtree(old, ignore_errors=True)
            folder.rename(old)
        beside.rename(folder)
        sync(folder.parent)
    except (OSError, SafetensorError) as error:
        raise TrainingError(
            f"The checkpoint {folder} cannot be written: {error}. Free some space; the run can "
            "then be resumed from the checkpoint before."
        ) from error
    shutil.rmtree(old, ignore_errors=True)


def read_checkpoint(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """The checkpoint in `folder`, or None where there is none.

    A run that was killed between the two renames has its checkpoint under the old name.

    Raises:
        CheckpointError: a file is damaged or of another version.
    """
    old = folder.with_name(folder.name + ".old")
    place = folder if folder.exists() else old
    if not place.exists():
        return None
    try:
        state = json.loads((place / "state.json").read_text(encoding="utf-8"))
        tensors = load_file(place / "tensors.safetensors")
    except (OSError, ValueError, SafetensorError) as error:
        raise CheckpointError(place, str(error)) from error
    version = state.get("version") if isinstance(state, dict) else None
    if version != VERSION:
        raise CheckpointError(place, f"it is of version {version!r}, this plait reads {VERSION}")
    return tensors, state


def save_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write tensors to a safetensors file and wait until the disk has them."""
    beside = path.with_name(path.name + ".writing")
    save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, beside)
    _sync_and_rename(beside, path)


def write_json(content: Mapping[str, Any], path: Path) -> None:
    """Write JSON beside and rename it; keys in their order, nan as it is."""
    beside = path.with_name(path.name + ".writing")
    beside.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    _sync_and_rename(beside, path)


def _sync_and_rename(beside: Path, path: Path) -> None:
    with beside.open("rb") as handle:
        os.fsync(handle.fileno())
    beside.rename(path)
