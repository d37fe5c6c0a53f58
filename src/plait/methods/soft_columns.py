"""Soft labels as columns on disk, one row for each row of the training store."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from plait.data.mapped import RawFile, map_file, matrix, write_file

__all__ = ["SoftColumns", "write_soft_columns"]

_FILE = "soft_labels.arrow"


class SoftColumns:
    """What an estimator believes of the label of every training row, by task.

    Example:
        >>> SoftColumns({"buy": np.array([[0.25], [0.5]], np.float32)}).of("buy", torch.tensor([1]))
        tensor([[0.5000]])

    Args:
        columns: float32 `[N, S]` by task; mapped from disk, or in memory.
    """

    def __init__(self, columns: Mapping[str, NDArray[np.float32]]) -> None:
        self.columns = dict(columns)

    @classmethod
    def read(cls, folder: Path) -> SoftColumns | None:
        """The columns in a folder, mapped; None where there are none."""
        if not (folder / _FILE).exists():
            return None
        rows = map_file(folder / _FILE)
        return cls({name: matrix(rows.column(name)) for name in rows.schema.names})

    def of(self, task: str, rows: Tensor) -> Tensor:
        """The soft labels `[B, S]` of these rows of the store."""
        found = torch.from_numpy(self.columns[task].take(rows.cpu().numpy(), axis=0))
        return found.to(rows.device)


def write_soft_columns(
    folder: Path, slices: Iterable[Mapping[str, NDArray[np.float32]]]
) -> SoftColumns:
    """Write slices of rows, one after another, in memory that does not grow with them.

    They appear under their name when all of them are on disk.
    """
    beside = folder.with_name(folder.name + ".writing")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    files: dict[str, RawFile] = {}
    widths: dict[str, int] = {}
    for part in slices:
        for place, (task, values) in enumerate(part.items()):
            if task not in files:
                files[task] = RawFile(beside / f"{place}.raw", np.float32)
                widths[task] = values.shape[1]
            files[task].append(values)
    write_file(beside / _FILE, {task: file.rows(widths[task]) for task, file in files.items()})
    for file in files.values():
        file.delete()
    shutil.rmtree(folder, ignore_errors=True)
    beside.rename(folder)
    found = SoftColumns.read(folder)
    assert found is not None
    return found
