"""Our dropout has the law of torch's."""

from __future__ import annotations

import pytest
import torch
from scipy import stats

from plait.modules import Dropout
from plait.modules.dropout import dropout_mask


@pytest.mark.parametrize("rate", [0.01, 0.2, 0.5, 0.9])
def test_the_share_that_is_left_out_is_the_rate(rate: float) -> None:
    torch.manual_seed(0)
    mask = dropout_mask(torch.Size((300, 333)), rate)
    dropped = int((mask == 0).sum())
    assert stats.binomtest(dropped, mask.numel(), rate).pvalue > 1e-3
    kept = mask[mask != 0]
    assert kept.unique().numel() == 1
    assert kept[0].item() == pytest.approx(1 / (1 - rate), rel=1e-4)


def test_the_mean_is_kept_to_the_rounding_of_the_rate() -> None:
    """The scale belongs to the rounded rate, so that nothing is biased."""
    mask = dropout_mask(torch.Size((1 << 20,)), 0.2)
    dropped = round(0.2 * 65536)
    assert mask.max().item() == pytest.approx(65536 / (65536 - dropped), rel=1e-7)


def test_neighbours_and_steps_are_independent() -> None:
    torch.manual_seed(1)
    mask = dropout_mask(torch.Size((400, 256)), 0.3) == 0
    for one, other in ((mask[:, 1:], mask[:, :-1]), (mask[1:], mask[:-1])):
        both = int((one & other).sum())
        assert stats.binomtest(both, one.numel(), 0.09).pvalue > 1e-3
    again = dropout_mask(torch.Size((400, 256)), 0.3) == 0
    assert stats.binomtest(int((mask & again).sum()), mask.numel(), 0.09).pvalue > 1e-3


def test_a_seed_gives_the_same_bits_and_moves_torchs_generator() -> None:
    torch.manual_seed(5)
    first, second = dropout_mask(torch.Size((7, 3)), 0.5), dropout_mask(torch.Size((7, 3)), 0.5)
    torch.manual_seed(5)
    assert torch.equal(dropout_mask(torch.Size((7, 3)), 0.5), first)
    assert not torch.equal(first, second)


def test_it_does_nothing_in_evaluation_or_at_rate_zero() -> None:
    values = torch.randn(4, 4)
    state = torch.get_rng_state()
    assert Dropout(0.5).eval()(values) is values
    assert Dropout(0.0)(values) is values
    assert torch.equal(torch.get_rng_state(), state)
    assert not Dropout(1.0)(values).any()


def test_its_gradient_passes_where_the_value_passed() -> None:
    values = torch.ones(50, 40, requires_grad=True)
    output = Dropout(0.4)(values)
    output.sum().backward()
    assert values.grad is not None
    assert torch.equal(values.grad, output.detach())
