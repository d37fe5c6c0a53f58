from __future__ import annotations

import torch
from tests.unit.modules.sequences.making import LENGTHS, items_of, ragged
from torch.testing import assert_close

from plait.modules.sequences import padded
from plait.modules.sequences.base import at_latest, from_latest


def test_rows_stand_side_by_side_in_their_order() -> None:
    values, offsets, _ = ragged(2)
    found = padded(values, offsets)
    assert found.values.shape == (len(LENGTHS), max(LENGTHS), 2)
    assert found.mask.sum(1).tolist() == list(LENGTHS)
    for row, length in enumerate(LENGTHS):
        items = [torch.tensor(item) for item in items_of(values, offsets, row)]
        assert_close(list(found.values[row, :length]), items)
        assert not found.values[row, length:].any()


def test_of_a_long_row_the_last_values_are_kept() -> None:
    values, offsets, _ = ragged(2)
    found = padded(values, offsets, 2)
    assert found.mask.sum(1).tolist() == [2, 0, 1, 2, 2]
    assert torch.equal(found.values[3], values[offsets[4] - 2 : offsets[4]])


def test_no_rows_and_only_empty_rows_have_one_place_without_a_value() -> None:
    for rows in (0, 3):
        found = padded(torch.zeros(0, 2), torch.zeros(rows + 1, dtype=torch.long), 5)
        assert found.values.shape == (rows, 1, 2)
        assert not found.mask.any()


def test_gradients_reach_the_values_that_are_kept() -> None:
    values, offsets, _ = ragged(2)
    values.requires_grad_()
    padded(values, offsets, 2).values.sum().backward()
    assert values.grad is not None
    kept = [1, 2, 3, 8, 9, 10, 11]
    assert values.grad[:, 0].nonzero().flatten().tolist() == kept


def test_places_are_counted_from_the_latest() -> None:
    mask = torch.tensor([[True, True, True], [True, False, False], [False, False, False]])
    assert from_latest(mask).tolist() == [[2, 1, 0], [0, 0, 0], [0, 0, 0]]
    states = torch.arange(9.0).view(3, 3, 1)
    assert at_latest(states, mask).flatten().tolist() == [2.0, 3.0, 0.0]
