"""A batch moves as a whole, and a layout knows its tables."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.unit.makers import make_data, whole

from plait.data.batch import MASK, NULL, NUM_RESERVED, PADDING, UNKNOWN, Batch


def tensors(batch: Batch) -> list[torch.Tensor]:
    """Every tensor of a batch."""
    found = [batch.ids, batch.numbers, batch.rows]
    for group in (
        batch.vectors,
        batch.labels,
        batch.observed,
        batch.weights,
        batch.extras,
        batch.keys,
    ):
        found.extend(group.values())
    for lists in batch.lists.values():
        found.extend(tensor for tensor in lists if tensor is not None)
    return found


def test_case_25_reserved_ids_differ_and_padding_is_none_of_the_others() -> None:
    assert (PADDING, UNKNOWN, NULL, MASK) == (0, 1, 2, 3)
    assert NUM_RESERVED == 4


def test_a_batch_moves_with_all_its_tensors(tmp_path: Path) -> None:
    batch = whole(make_data(tmp_path, rows=12, valid_rows=4).valid)
    assert len(batch) == 4
    moved = batch.to("meta")
    assert len(tensors(moved)) == len(tensors(batch)) > 30
    assert all(tensor.device.type == "meta" for tensor in tensors(moved))
    assert all(tensor.device.type == "cpu" for tensor in tensors(batch))
    assert [t.shape for t in tensors(moved)] == [t.shape for t in tensors(batch)]


def test_a_layout_finds_its_tables(tmp_path: Path) -> None:
    layout = make_data(tmp_path, rows=12, valid_rows=4).train.layout
    assert layout.table("user_id").is_key
    assert layout.table("user_id").width == 4
    with pytest.raises(StopIteration):
        layout.table("nobody")
