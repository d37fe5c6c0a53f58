"""Row-wise Adagrad against its equations in float64, and the merging of rows against a loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.testing import assert_close

from plait.training.engine import row_kernels
from plait.training.optimizers import AdamW, Group
from plait.training.row_optimizers import (
    LazyAdam,
    RowOptimizer,
    RowwiseAdagrad,
    merge_gradients,
)

ROWS, WIDTH = 7, 3


def sparse(rows: list[int], values: Tensor) -> Tensor:
    return torch.sparse_coo_tensor(
        torch.tensor([rows], dtype=torch.long), values, (ROWS, WIDTH), check_invariants=False
    )


@settings(max_examples=25)
@given(st.lists(st.integers(0, ROWS - 1), max_size=30))
def test_rows_that_stand_twice_are_summed(rows: list[int]) -> None:
    values = torch.randn(len(rows), WIDTH, generator=torch.Generator().manual_seed(len(rows)))
    expected: dict[int, Tensor] = {}
    for row, value in zip(rows, values, strict=True):
        expected[row] = expected.get(row, torch.zeros(WIDTH)) + value
    found, summed = row_kernels("torch").merge(torch.tensor(rows, dtype=torch.long), values, ROWS)
    assert found.tolist() == sorted(expected)
    for row, value in zip(found.tolist(), summed, strict=True):
        assert_close(value, expected[row])


def test_merged_gradients_hold_every_row_once_and_dense_ones_stay() -> None:
    table, dense, unused = (nn.Parameter(torch.zeros(ROWS, WIDTH)) for _ in range(3))
    table.grad = sparse([4, 1, 4], torch.ones(3, WIDTH))
    dense.grad = torch.ones(ROWS, WIDTH)
    merge_gradients([table, dense, unused])
    assert table.grad is not None
    assert table.grad._indices().tolist() == [[1, 4]]
    assert table.grad._values()[:, 0].tolist() == [1.0, 2.0]
    assert_close(dense.grad, torch.ones(ROWS, WIDTH))
    assert unused.grad is None


@pytest.mark.parametrize("engine", ["torch", "compiled"])
def test_tables_of_the_same_rows_are_merged_together_to_the_same_bits(
    engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    rows = torch.randint(50, (300,)).tolist()
    others = [*rows[1:], 0]  # as many, but not the same
    shapes = {"factors": (50, 6), "bias": (50, 1), "other": (50, 4), "longer": (60, 1)}
    asked = {name: others if name == "other" else rows for name in shapes}
    made: list[dict[str, nn.Parameter]] = []
    for _ in range(2):
        torch.manual_seed(1)
        made.append({name: nn.Parameter(torch.zeros(shape)) for name, shape in shapes.items()})
        for name, table in made[-1].items():
            values = torch.randn(300, table.shape[1])
            table.grad = torch.sparse_coo_tensor(
                torch.tensor([asked[name]]), values, table.shape, check_invariants=False
            )
    together, alone = made
    kernels, calls = row_kernels(engine), []
    plain = kernels.merge

    def counted(rows: Tensor, values: Tensor, num_rows: int) -> tuple[Tensor, Tensor]:
        calls.append(values.shape[1])
        return plain(rows, values, num_rows)

    monkeypatch.setattr(kernels, "merge", counted)
    merge_gradients(together.values(), kernels)
    assert calls == [7, 4, 1]
    for name, table in alone.items():
        merge_gradients([table], kernels)
        found, expected = together[name].grad, table.grad
        assert found is not None
        assert expected is not None
        assert torch.equal(found._indices(), expected._indices())
        assert torch.equal(found._values(), expected._values())
        assert found._values().is_contiguous()


def literal_step(
    weights: np.ndarray, sums: np.ndarray, rows: list[int], values: np.ndarray, rate: float
) -> None:
    """fbgemm's EXACT_ROWWISE_ADAGRAD, row by row in float64."""
    gradient: dict[int, np.ndarray] = {}
    for row, value in zip(rows, values, strict=True):
        gradient[row] = gradient.get(row, np.zeros(WIDTH)) + value
    for row, found in gradient.items():
        sums[row] += sum(part * part for part in found) / WIDTH
        weights[row] -= rate * found / (np.sqrt(sums[row]) + 1e-8)


def test_twenty_steps_follow_the_equations_and_untouched_rows_keep_their_bits() -> None:
    rng = np.random.default_rng(0)
    start = rng.normal(size=(ROWS, WIDTH))
    weights, sums = start.copy(), np.zeros(ROWS)
    parameter = nn.Parameter(torch.tensor(start, dtype=torch.float32))
    first_bits = parameter.detach().clone()
    optimizer = RowwiseAdagrad([parameter], lr=0.05)
    for _ in range(20):
        rows = rng.integers(0, ROWS - 2, size=5).tolist()  # the last two are never touched
        values = rng.normal(size=(5, WIDTH))
        literal_step(weights, sums, rows, values, 0.05)
        parameter.grad = sparse(rows, torch.tensor(values, dtype=torch.float32))
        merge_gradients([parameter])
        optimizer.step()
    assert_close(parameter.detach().double(), torch.tensor(weights), rtol=1e-5, atol=1e-6)
    assert_close(optimizer.state[parameter]["sum"].double(), torch.tensor(sums), rtol=1e-5, atol=0)
    assert torch.equal(parameter.detach()[-2:], first_bits[-2:])


def test_it_is_a_dense_adagrad_with_one_accumulator_a_row() -> None:
    torch.manual_seed(0)
    table = nn.Parameter(torch.randn(ROWS, WIDTH))
    dense, sums = table.detach().clone(), torch.zeros(ROWS, 1)
    optimizer = RowwiseAdagrad([table], lr=0.1)
    for step in range(5):
        gradient = torch.randn(ROWS, WIDTH)
        gradient[step % ROWS] = 0.0
        sums += gradient.square().mean(dim=1, keepdim=True)
        dense -= 0.1 * gradient / (sums.sqrt() + 1e-8)
        table.grad = gradient.to_sparse(1)
        optimizer.step()
    assert_close(table.detach(), dense)


def test_a_row_of_width_one_moves_as_in_torchs_adagrad() -> None:
    ours, theirs = (nn.Parameter(torch.ones(2, 1)) for _ in range(2))
    first = RowwiseAdagrad([ours], lr=0.1, eps=1e-10)
    second = torch.optim.Adagrad([theirs], lr=0.1, eps=1e-10)
    for value in (1.0, -0.5, 2.0):
        theirs.grad = torch.tensor([[value], [2 * value]])
        ours.grad = theirs.grad.to_sparse(1)
        first.step()
        second.step()
    assert_close(ours.detach(), theirs.detach())


def test_a_table_that_is_read_whole_moves_as_in_torchs_adam() -> None:
    torch.manual_seed(0)
    ours = nn.Parameter(torch.randn(ROWS, WIDTH))
    theirs = nn.Parameter(ours.detach().clone())
    first, second = LazyAdam([ours], lr=0.02), torch.optim.Adam([theirs], lr=0.02)
    for _ in range(30):
        theirs.grad = torch.randn(ROWS, WIDTH)
        ours.grad = theirs.grad.to_sparse(1)
        first.step()
        second.step()
    assert_close(ours.detach(), theirs.detach())


def test_lazy_adam_follows_the_equations_on_touched_rows_and_leaves_the_others() -> None:
    rng = np.random.default_rng(0)
    start = rng.normal(size=(ROWS, WIDTH))
    weights, means, squares = start.copy(), np.zeros((ROWS, WIDTH)), np.zeros((ROWS, WIDTH))
    parameter = nn.Parameter(torch.tensor(start, dtype=torch.float32))
    first_bits = parameter.detach().clone()
    optimizer = LazyAdam([parameter], lr=0.05, betas=(0.8, 0.95))
    for count in range(1, 21):
        rows = rng.integers(0, ROWS - 2, size=5).tolist()  # the last two are never touched
        values = rng.normal(size=(5, WIDTH))
        for row in set(rows):
            gradient = sum(v for r, v in zip(rows, values, strict=True) if r == row)
            means[row] = 0.8 * means[row] + 0.2 * gradient
            squares[row] = 0.95 * squares[row] + 0.05 * gradient**2
            mean, square = means[row] / (1 - 0.8**count), squares[row] / (1 - 0.95**count)
            weights[row] -= 0.05 * mean / (np.sqrt(square) + 1e-8)
        parameter.grad = sparse(rows, torch.tensor(values, dtype=torch.float32))
        merge_gradients([parameter])
        optimizer.step()
    assert_close(parameter.detach().double(), torch.tensor(weights), rtol=1e-4, atol=1e-5)
    assert torch.equal(parameter.detach()[-2:], first_bits[-2:])


def test_dense_layers_move_with_the_bits_of_torchs_fused_adamw() -> None:
    def layers() -> list[nn.Parameter]:
        torch.manual_seed(0)
        return [
            nn.Parameter(torch.randn(5, 3)),
            nn.Parameter(torch.randn(4)),
            nn.Parameter(torch.ones(2)),
        ]

    ours, theirs = layers(), layers()
    first = AdamW([Group(ours[:1], 3.0, 0.1), Group(ours[1:])], lr=0.01)
    second = torch.optim.AdamW(
        [
            {"params": theirs[:1], "lr": 0.03, "weight_decay": 0.1},
            {"params": theirs[1:], "weight_decay": 0.0},
        ],
        lr=0.01,
        fused=True,
    )
    for step in range(20):
        for one, other in zip(ours, theirs, strict=True):
            one.grad = other.grad = None if step % 3 and len(one) == 2 else torch.randn_like(one)
        first.step()
        second.step()
    for one, other in zip(ours, theirs, strict=True):
        assert torch.equal(one, other)


KEPT = {RowwiseAdagrad: {"0.sum"}, LazyAdam: {"0.step", "0.mean", "0.square"}}


@pytest.mark.parametrize("rule", KEPT)
def test_optimizers_go_on_with_the_same_bits(rule: type[RowwiseAdagrad | LazyAdam]) -> None:
    def step(dense: nn.Parameter, table: nn.Parameter, adam: AdamW, rows: RowOptimizer) -> None:
        dense.grad = dense.detach() + 1
        table.grad = (table.detach() + 1).to_sparse(1)
        adam.step()
        rows.step()

    def make() -> tuple[nn.Parameter, nn.Parameter, AdamW, RowOptimizer]:
        torch.manual_seed(0)
        dense, table = nn.Parameter(torch.randn(3, 2)), nn.Parameter(torch.randn(4, 2))
        return dense, table, AdamW([Group([dense])]), rule([table])

    made = make()
    step(*made)
    states = [{n: t.clone() for n, t in one.state_dict().items()} for one in made[2:]]
    kept = [{"0.step", "0.exp_avg", "0.exp_avg_sq"}, KEPT[rule]]
    assert [set(state) for state in states] == kept
    again = make()
    for parameter, moved in zip(again[:2], made[:2], strict=True):
        parameter.data.copy_(moved.data)
    for optimizer, state in zip(again[2:], states, strict=True):
        optimizer.load_state_dict(state)
    step(*made)
    step(*again)
    assert torch.equal(made[0], again[0])
    assert torch.equal(made[1], again[1])


def test_parameters_without_a_gradient_stay() -> None:
    parameter = nn.Parameter(torch.ones(2, 2))
    RowwiseAdagrad([parameter]).step()
    assert_close(parameter.detach(), torch.ones(2, 2))


@pytest.mark.parametrize("rule", KEPT)
def test_a_dense_gradient_is_refused(rule: type[RowwiseAdagrad | LazyAdam]) -> None:
    parameter = nn.Parameter(torch.ones(2, 2))
    parameter.grad = torch.ones(2, 2)
    with pytest.raises(TypeError, match=r"needs row-sparse gradients; a dense one of shape \(2, 2"):
        rule([parameter]).step()
