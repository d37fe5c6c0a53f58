from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.testing import assert_close

from plait.modules import mean_pool


def _by_loop(values: Tensor, offsets: Tensor, weights: Tensor | None) -> Tensor:
    pooled = []
    for start, stop in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        total = torch.zeros_like(values[0]) if len(values) else values.new_zeros(values.shape[1])
        mass = 0.0
        for position in range(start, stop):
            weight = 1.0 if weights is None else weights[position].item()
            total = total + weight * values[position]
            mass += weight
        pooled.append(total / mass if mass else torch.zeros_like(total))
    return torch.stack(pooled)


@settings(max_examples=30)
@given(lengths=st.lists(st.integers(0, 4), min_size=1, max_size=6), weighted=st.booleans())
def test_pooling_equals_a_loop_over_rows(*, lengths: list[int], weighted: bool) -> None:
    offsets = torch.tensor([0, *lengths]).cumsum(0)
    values = torch.randn(sum(lengths), 3, dtype=torch.float64, requires_grad=True)
    weights = (torch.arange(sum(lengths)) % 3).double() if weighted else None
    pooled, expected = mean_pool(values, offsets, weights), _by_loop(values, offsets, weights)
    assert_close(pooled, expected)
    if sum(lengths):
        (gradient,) = torch.autograd.grad(pooled.square().sum(), values)
        (wanted,) = torch.autograd.grad(expected.square().sum(), values)
        assert_close(gradient, wanted)


def test_case_29_a_list_has_no_padding_to_count() -> None:
    values = torch.tensor([[3.0], [0.0], [0.0]])
    alone = mean_pool(values[:1], torch.tensor([0, 1]))
    padded = mean_pool(values, torch.tensor([0, 3]), torch.tensor([1.0, 0.0, 0.0]))
    assert alone.item() == padded.item() == 3.0


def test_rows_without_values_or_without_weight_are_zeros_with_zero_gradient() -> None:
    values = torch.tensor([[5.0], [7.0], [2.0]], requires_grad=True)
    weights = torch.tensor([0.0, 0.0, 4.0], requires_grad=True)
    pooled = mean_pool(values, torch.tensor([0, 2, 2, 3]), weights)
    assert_close(pooled, torch.tensor([[0.0], [0.0], [2.0]]))
    pooled.sum().backward()
    assert_close(values.grad, torch.tensor([[0.0], [0.0], [1.0]]))
    assert_close(weights.grad, torch.zeros(3))


def test_weights_that_cancel_give_zeros() -> None:
    pooled = mean_pool(torch.tensor([[5.0], [7.0]]), torch.tensor([0, 2]), torch.tensor([1.0, -1]))
    assert pooled.item() == 0


def test_gradients_are_right_in_values_and_weights() -> None:
    offsets = torch.tensor([0, 2, 2, 5])
    values = torch.randn(5, 2, dtype=torch.float64, requires_grad=True)
    weights = torch.rand(5, dtype=torch.float64).add(0.1).requires_grad_()
    assert torch.autograd.gradcheck(lambda v, w: mean_pool(v, offsets, w), (values, weights))


def test_no_row_gives_no_row() -> None:
    assert mean_pool(torch.zeros(0, 4), torch.tensor([0])).shape == (0, 4)


def test_large_offsets_and_equal_bits() -> None:
    lengths = torch.randint(0, 30, (500,))
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)])
    values = torch.randn(int(offsets[-1]), 8)
    assert torch.equal(mean_pool(values, offsets), mean_pool(values, offsets))


class _Pool(nn.Module):
    """As an exported model pools: lengths in, so that a batch of one row needs no special case."""

    def forward(self, values: Tensor, lengths: Tensor, weights: Tensor | None) -> Tensor:
        return mean_pool(values, _offsets(lengths), weights)


def _offsets(lengths: Tensor) -> Tensor:
    return torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])


@pytest.mark.parametrize("weighted", [False, True])
def test_it_exports_with_any_number_of_rows_and_values(*, weighted: bool) -> None:
    many, batch = torch.export.Dim("values"), torch.export.Dim("batch")
    weights = torch.rand(9) if weighted else None
    program = torch.export.export(
        _Pool(),
        (torch.randn(9, 2), torch.tensor([2, 7]), weights),
        dynamic_shapes={
            "values": {0: many},
            "lengths": {0: batch},
            "weights": {0: many} if weighted else None,
        },
    )
    for lengths in (torch.tensor([0, 4, 5, 0]), torch.tensor([9])):
        values = torch.randn(9, 2)
        pooled = mean_pool(values, _offsets(lengths), weights)
        assert_close(program.module()(values, lengths, weights), pooled)
