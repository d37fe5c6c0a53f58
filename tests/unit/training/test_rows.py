"""The compiled work on rows gives what torch's gives, and both give what a loop gives."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.testing import assert_close

from plait.training import compiled_rows, rows
from plait.training.averaging import WeightAverage
from plait.training.row_optimizers import LazyAdam, RowwiseAdagrad, merge_gradients
from plait.training.rows import RowKernels, stochastic_bfloat16

ENGINES: list[RowKernels] = [rows, compiled_rows]


@pytest.mark.parametrize("kernels", ENGINES, ids=["torch", "compiled"])
@given(
    places=st.lists(st.sampled_from([0, 1, 2, 5, 6, 63, 64, 4095, 999_999]), max_size=60),
    width=st.integers(1, 9),
)
@settings(max_examples=30, deadline=None)
def test_merging_sums_in_the_order_of_the_batch(
    kernels: RowKernels, places: list[int], width: int
) -> None:
    torch.manual_seed(len(places))
    values = torch.randn(len(places), width)
    wanted: dict[int, Tensor] = {}
    for place, value in zip(places, values, strict=True):
        wanted[place] = wanted[place] + value if place in wanted else value.clone()
    found, summed = kernels.merge(torch.tensor(places, dtype=torch.int64), values, 1_000_000)
    assert sorted(found.tolist()) == sorted(wanted)
    assert found.dtype == torch.int64
    for place, value in zip(found.tolist(), summed, strict=True):
        assert torch.equal(value, wanted[place])


Rule = type[RowwiseAdagrad | LazyAdam]


class Trained:
    """A table with its optimizer and average, under one engine."""

    def __init__(self, start: Tensor, kernels: RowKernels, rule: Rule = RowwiseAdagrad) -> None:
        self.kernels = kernels
        self.model = nn.Module()
        self.model.table = nn.Parameter(start.clone())
        self.table = self.model.table
        self.rows = rule([self.table], lr=0.05, kernels=kernels)
        self.average = WeightAverage(self.model, decay=0.95, kernels=kernels)

    def step(self, places: Tensor, values: Tensor) -> None:
        self.table.grad = torch.sparse_coo_tensor(
            places[None], values, self.table.shape, check_invariants=False
        )
        merge_gradients([self.table], self.kernels)
        self.average.before_step()
        self.rows.step()
        self.average.after_step()

    def tensors(self) -> list[Tensor]:
        average = self.average.state_dict()
        return [
            self.table.detach(),
            *self.rows.state[self.table].values(),
            average["average.table"],
            average["last.table"],
        ]


@pytest.mark.parametrize("rule", [RowwiseAdagrad, LazyAdam])
@pytest.mark.parametrize("width", [1, 3, 16, 32])
def test_one_update_agrees_from_the_same_state_for_two_hundred_steps(
    width: int, rule: Rule
) -> None:
    generator = torch.Generator().manual_seed(width)
    start = torch.randn(500, width, generator=generator)
    ours, reference = Trained(start, compiled_rows, rule), Trained(start, rows, rule)
    for _ in range(200):
        skewed = torch.rand(300, generator=generator).pow(3) * 490  # the last ten are never touched
        places, values = skewed.long(), torch.randn(300, width, generator=generator)
        ours.step(places, values)
        reference.step(places, values)
        for one, other in zip(ours.tensors(), reference.tensors(), strict=True):
            assert_close(one, other, rtol=1e-6, atol=1e-6)
            one.copy_(other)  # each step starts from the same state
    assert torch.equal(ours.table.detach()[-10:], start[-10:])


@pytest.mark.parametrize("rule", [RowwiseAdagrad, LazyAdam])
def test_tables_that_the_kernels_do_not_know_go_to_torch(rule: Rule) -> None:
    for start in (torch.randn(9, 4, dtype=torch.float64), torch.randn(9, 4).bfloat16()):
        ours, reference = Trained(start, compiled_rows, rule), Trained(start, rows, rule)
        places, values = torch.tensor([3, 1, 3]), torch.ones(3, 4, dtype=start.dtype)
        for seed in range(3):
            for trained in (ours, reference):
                torch.manual_seed(seed)
                trained.step(places, values)
        for one, other in zip(ours.tensors(), reference.tensors(), strict=True):
            assert torch.equal(one, other)


def test_a_step_imports_neither_numba_nor_torchs_compiler_unasked() -> None:
    """They take seconds: the one is asked for, the other is never needed."""
    code = (
        "import sys, torch\n"
        "from plait.training.optimizers import AdamW, Group\n"
        "weight = torch.nn.Parameter(torch.ones(2)); weight.grad = torch.ones(2)\n"
        "AdamW([Group([weight])]).step()\n"
        "print([name for name in ('numba', 'torch._dynamo') if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_stochastic_rounding_is_right_in_the_mean() -> None:
    torch.manual_seed(0)
    values = torch.randn(50, dtype=torch.float64).float() * 3
    draws = torch.stack([stochastic_bfloat16(values) for _ in range(4_000)]).double()
    low, high = draws.amin(dim=0), draws.amax(dim=0)
    nearest = values.bfloat16().double()
    step = (values.abs().double().log2().floor() - 7).exp2()  # between neighbours
    assert ((nearest == low) | (nearest == high)).all()
    assert (high - low <= step * 1.001).all()
    spread = (draws.var(dim=0) / len(draws)).sqrt()
    assert ((draws.mean(dim=0) - values.double()).abs() <= 4.5 * spread + 1e-12).all()


def test_what_bfloat16_can_hold_is_not_moved() -> None:
    values = torch.tensor([0.0, -0.0, 1.0, -2.5, 3.0e38, 1e-40, math.inf])
    assert torch.equal(stochastic_bfloat16(values.bfloat16().float()), values.bfloat16())


def test_steps_too_small_for_bfloat16_add_up() -> None:
    torch.manual_seed(0)
    table, start = torch.ones(40, 8).bfloat16(), torch.ones(40, 8)
    sums, places = torch.full((40,), 1e4), torch.arange(40)
    for kernels, weight, of in ((rows, table, sums), (rows, start, sums.clone())):
        for _ in range(200):
            kernels.adagrad(weight, of, places, torch.ones(40, 8), 0.01, 1e-8)
    assert start.mean().item() == pytest.approx(0.98, abs=1e-3)
    assert table.float().mean().item() == pytest.approx(start.mean().item(), abs=1e-3)
    assert torch.tensor(1 - 1e-4).bfloat16() == 1  # rounded to the nearest, no step is taken


@pytest.mark.parametrize("kernels", ENGINES, ids=["torch", "compiled"])
def test_tables_of_bfloat16_take_the_steps_of_float32(kernels: RowKernels) -> None:
    """Steps large beside the digits: a table and its average are near those of float32."""
    torch.manual_seed(0)
    start = torch.randn(60, 4).bfloat16()
    half, single = Trained(start, kernels), Trained(start.float(), kernels)
    for _ in range(30):
        places, values = torch.randint(60, (25,)), torch.randn(25, 4).bfloat16()
        half.step(places, values)
        single.step(places, values.float())
    assert half.table.dtype == torch.bfloat16
    assert_close(half.table.float(), single.table, atol=0.06, rtol=0.03)
    for trained in (half, single):
        trained.average.adopt()
    assert_close(half.table.float(), single.table, atol=0.06, rtol=0.03)
