"""Losses that are not finite: left out of their step; training ends where they persist."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from plait.data.batch import Batch
from plait.errors import TrainingError

from .checkpoint import save_tensors

BAD_STEPS = 10
"""Training ends after this many steps in a row in which some task's loss was not finite."""


class LossGuard:
    """Keep losses that are not finite from reaching the weights.

    Args:
        folder: where the batch that ended training is saved. None: it is not.

    Attributes:
        in_a_row: steps up to now in which some loss was not finite.
        skipped: such steps in the whole run, by task.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.in_a_row = 0
        self.skipped: dict[str, int] = {}

    def finite(
        self, losses: Mapping[str, Tensor], values: Mapping[str, float], batch: Batch
    ) -> dict[str, Tensor]:
        """The losses that are finite.

        Args:
            losses: by task.
            values: the same as numbers.
            batch: what they were computed on.

        Raises:
            TrainingError: the tenth step in a row with a loss that is not finite.
        """
        bad = [name for name, value in values.items() if not math.isfinite(value)]
        for name in bad:
            self.skipped[name] = self.skipped.get(name, 0) + 1
        self.in_a_row = self.in_a_row + 1 if bad else 0
        if self.in_a_row >= BAD_STEPS:
            raise TrainingError(
                f"The loss of {', '.join(bad)} was not finite in {BAD_STEPS} steps in a row. "
                f"{self._save(batch)} Lower the learning rate, set `clip_norm`, or look for "
                "extreme values among the labels."
            )
        return {name: loss for name, loss in losses.items() if name not in bad}

    def _save(self, batch: Batch) -> str:
        if self.folder is None:
            return f"Rows of the last batch: {batch.rows[:5].tolist()} and so on."
        tensors = {"rows": batch.rows, "ids": batch.ids, "numbers": batch.numbers}
        for name, label in batch.labels.items():
            tensors[f"label.{name}"] = label
            tensors[f"observed.{name}"] = batch.observed[name]
            tensors[f"weight.{name}"] = batch.weights[name]
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "bad-batch.safetensors"
        save_tensors(tensors, path)
        return f"The last batch was saved to {path}."
