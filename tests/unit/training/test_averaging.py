"""The lazy average by row against the plain one, in which every weight is averaged every step."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from plait.training.averaging import WeightAverage


class Small(nn.Module):
    """A table with row-sparse gradients and a dense layer."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(20, 3))
        self.dense = nn.Parameter(torch.randn(4))


def change(model: Small, average: WeightAverage, rows: list[int]) -> None:
    """A step that moves some rows of the table and the dense layer."""
    distinct = torch.tensor(sorted(set(rows)), dtype=torch.long)
    model.table.grad = torch.sparse_coo_tensor(
        distinct[None],
        torch.ones(len(distinct), 3),
        (20, 3),
        is_coalesced=True,
        check_invariants=False,
    )
    model.dense.grad = torch.ones(4)
    average.before_step()
    with torch.no_grad():
        model.table.index_add_(0, distinct, torch.randn(len(distinct), 3))
        model.dense.add_(torch.randn(4))
    average.after_step()


class Plain:
    """`a <- b a + (1 - b) w` for every weight at every step."""

    def __init__(self, model: Small, decay: float) -> None:
        self.decay, self.steps = decay, 0
        self.averages = {n: p.detach().double().clone() for n, p in model.named_parameters()}

    def after_step(self, model: Small) -> None:
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for name, parameter in model.named_parameters():
            kept = self.averages[name]
            self.averages[name] = decay * kept + (1 - decay) * parameter.detach().double()


def run(steps: int, *, decay: float = 0.95) -> tuple[Small, WeightAverage, Plain]:
    torch.manual_seed(0)
    model = Small()
    average, plain = WeightAverage(model, decay=decay), Plain(model, decay)
    for _ in range(steps):
        change(model, average, torch.randint(0, 18, (3,)).tolist())  # two rows are never touched
        plain.after_step(model)
    return model, average, plain


def weights(model: Small) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def test_the_lazy_average_equals_the_plain_one() -> None:
    model, average, plain = run(50)
    with average.applied():
        for name, found in weights(model).items():
            assert_close(found.double(), plain.averages[name], rtol=1e-5, atol=1e-5)


def test_looking_at_the_averages_does_not_change_what_comes_after() -> None:
    model, average, plain = run(20)
    with average.applied():
        pass
    for _ in range(20):
        change(model, average, torch.randint(0, 18, (3,)).tolist())
        plain.after_step(model)
    average.adopt()
    for name, found in weights(model).items():
        assert_close(found.double(), plain.averages[name], rtol=1e-5, atol=1e-5)


def test_rows_that_were_never_touched_keep_their_bits() -> None:
    model, average, _ = run(50)
    before = model.table.detach()[18:].clone()
    average.adopt()
    assert torch.equal(model.table.detach()[18:], before)


def test_the_weights_come_back_even_when_the_block_raises() -> None:
    model, average, _ = run(10)
    before = weights(model)

    def raise_in_the_block() -> None:
        with average.applied():
            assert not torch.equal(model.dense.detach(), before["dense"])
            raise RuntimeError("in the block")

    with pytest.raises(RuntimeError, match="in the block"):
        raise_in_the_block()
    after = weights(model)
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


def test_adopt_leaves_the_averages_in_the_model() -> None:
    model, average, _ = run(10)
    with average.applied():
        averages = weights(model)
    average.adopt()
    found = weights(model)
    assert all(torch.equal(found[name], tensor) for name, tensor in averages.items())


def test_a_resumed_average_goes_on_with_the_same_bits() -> None:
    model, average, _ = run(12)
    state = {name: tensor.clone() for name, tensor in average.state_dict().items()}
    again = Small()
    again.load_state_dict(model.state_dict())
    resumed = WeightAverage(again, decay=0.95)
    resumed.load_state_dict(state)
    for each, kept in ((model, average), (again, resumed)):
        torch.manual_seed(1)
        for rows in ([1, 2], [2, 3], [17]):
            change(each, kept, rows)
        kept.adopt()
    assert torch.equal(model.table, again.table)
    assert torch.equal(model.dense, again.dense)


def test_more_steps_than_the_first_buffer_holds() -> None:
    model, average, plain = run(1, decay=0.5)
    model.table.grad = None
    for _ in range(1100):
        average.before_step()
        average.after_step()
        plain.after_step(model)
    average.adopt()
    assert average.steps == 1101
    assert_close(model.table.detach().double(), plain.averages["table"], rtol=1e-5, atol=1e-6)
