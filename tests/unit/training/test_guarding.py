"""Losses that are not finite are counted, left out, and in the end not borne."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.unit.makers import BINARY_TASKS, make_data, whole

from plait.errors import TrainingError
from plait.training.guarding import BAD_STEPS, LossGuard


def test_what_is_finite_passes_and_the_rest_is_counted(tmp_path: Path) -> None:
    batch = whole(make_data(tmp_path, BINARY_TASKS, rows=20, valid_rows=4).valid)
    guard = LossGuard(None)
    for value in (math.nan, math.inf, -math.inf):
        losses = {"click": torch.tensor(1.0), "like": torch.tensor(value)}
        assert guard.finite(losses, {"click": 1.0, "like": value}, batch) == {
            "click": losses["click"]
        }
    assert (guard.skipped, guard.in_a_row) == ({"like": 3}, 3)
    fine = {"click": torch.tensor(1.0)}
    assert guard.finite(fine, {"click": 1.0}, batch) == fine
    assert (guard.skipped, guard.in_a_row) == ({"like": 3}, 0)


def test_too_many_in_a_row_end_training_and_the_batch_is_saved(tmp_path: Path) -> None:
    batch = whole(make_data(tmp_path, BINARY_TASKS, rows=20, valid_rows=4).valid)
    guard = LossGuard(tmp_path / "run")
    bad = {"click": torch.tensor(math.nan)}
    for _ in range(BAD_STEPS - 1):
        assert guard.finite(bad, {"click": math.nan}, batch) == {}
    with pytest.raises(TrainingError, match=r"The loss of click was not finite in 10 steps"):
        guard.finite(bad, {"click": math.nan}, batch)
    saved = load_file(tmp_path / "run" / "bad-batch.safetensors")
    assert torch.equal(saved["rows"], batch.rows)
    assert torch.equal(saved["label.like"], batch.labels["like"])
