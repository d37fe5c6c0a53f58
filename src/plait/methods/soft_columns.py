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

__all__ = ["SoftColumns", "shifted", "write_soft_columns"]

_FILE = "soft_labels.arrow"


class SoftColumns:
    """What an estimator believes of the label of every training row, by task.

    Example:
        >>> SoftColumns({"buy": np.array([[0.25], [0.5]], np.float32)}).of("buy", torch.tensor([1]))
        tensor([[0.5000]])

    Args:
        columns: float32 `[N, S]` by task; mapped from disk, or in memory.
        shifts: by task, the rows whose log-odds are shifted when they are read, and by how much.
    """

    def __init__(
        self,
        columns: Mapping[str, NDArray[np.float32]],
        shifts: Mapping[str, tuple[NDArray[np.bool_], float]] | None = None,
    ) -> None:
        self.columns = dict(columns)
        self._shifts = dict(shifts or {})

    @classmethod
    def read(cls, folder: Path) -> SoftColumns | None:
        """The columns in a folder, mapped; None where there are none."""
        if not (folder / _FILE).exists():
            return None
        rows = map_file(folder / _FILE)
        return cls({name: matrix(rows.column(name)) for name in rows.schema.names})

    def of(self, task: str, rows: Tensor) -> Tensor:
        """The soft labels `[B, S]` of these rows of the store."""
        return torch.from_numpy(self._taken(task, rows.cpu().numpy())).to(rows.device)

    def shifted(self, task: str, where: NDArray[np.bool_], shift: float) -> SoftColumns:
        """The same with so much added to the log-odds of a binary task on some rows `[N]`."""
        return SoftColumns(self.columns, {**self._shifts, task: (where, shift)})

    def mean(self, task: str, where: NDArray[np.bool_]) -> float:
        """The mean belief in a yes on some rows `[N]`."""
        return float(self._taken(task, np.flatnonzero(where)).mean(dtype=np.float64))

    def _taken(self, task: str, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        found = self.columns[task].take(rows, axis=0)
        if task in self._shifts:
            where, shift = self._shifts[task]
            moved = where[rows]
            found[moved] = shifted(found[moved], shift)
        return found


def shifted(soft: NDArray[np.float32], shift: float) -> NDArray[np.float32]:
    """Probabilities `[n, 1]` with so much added to their log-odds."""
    clipped = np.clip(soft.astype(np.float64), 1e-12, 1 - 1e-12)
    moved = np.log(clipped) - np.log1p(-clipped) + shift
    return (1 / (1 + np.exp(-moved))).astype(np.float32)


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
