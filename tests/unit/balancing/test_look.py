"""What a rule sees of a step: one batch, several parts, several processes."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, distributed, multiprocessing, nn
from torch.testing import assert_close

from plait.balancing import (
    DWA,
    FAMO,
    GLS,
    UW,
    Balancer,
    CAGrad,
    Cut,
    Equal,
    FairGrad,
    Fixed,
    GradNorm,
    Look,
    MetaBalance,
    Part,
    PCGrad,
    Surface,
    TaskFacts,
    UPGrad,
    Weighted,
)

TASKS = ("a", "b", "c")
FACTS = {task: TaskFacts(observed=1.0, mean=0.3, entropy=0.6) for task in TASKS}
MADE: dict[str, Callable[[Surface], Balancer]] = {
    "Equal": lambda _: Equal(),
    "Fixed": lambda _: Fixed(weights={"a": 1.0, "b": 0.5, "c": 0.0}),
    "UW": lambda _: UW(),
    "GLS": lambda _: GLS(),
    "DWA": lambda _: DWA(window=1),
    "FAMO": lambda _: FAMO(),
    "GradNorm": lambda surface: GradNorm(surface=surface),
    "PCGrad": lambda surface: PCGrad(surface=surface),
    "CAGrad": lambda surface: CAGrad(surface=surface),
    "FairGrad": lambda surface: FairGrad(surface=surface),
    "UPGrad": lambda surface: UPGrad(surface=surface),
    "MetaBalance": lambda surface: MetaBalance(target="a", surface=surface),
    "Weighted": lambda surface: Weighted(
        weights={"a": 1.0, "b": 3.0, "c": 1.0}, rule=UPGrad(surface=surface)
    ),
}
SURFACES: tuple[Surface, ...] = ("shared", "parameters")


def test_what_two_losses_reach_is_shared() -> None:
    one, two, three = (torch.ones(2, requires_grad=True) for _ in range(3))
    losses = {"a": one.sum() + 2 * two.sum(), "b": -one.sum(), "constant": torch.tensor(1.0)}
    look = Look()
    look.add(losses, Cut("shared", (one, two, three)), is_only=True)
    look.close()
    assert look.shared == (0,)
    assert look.gradients is not None
    assert look.gradients["constant"] == [None, None, None]
    assert_close(look.gramian(), torch.tensor([[2.0, -2, 0], [-2, 2, 0], [0, 0, 0]]).double())
    losses["a"].backward()  # the graph is still there


def test_half_precision_is_added_up_in_float32() -> None:
    point = torch.full((4096,), 0.1, dtype=torch.bfloat16, requires_grad=True)
    look = Look()
    look.add({t: point.square().sum() / 2 for t in "ab"}, Cut("shared", (point,)))
    look.close()
    exact = 4096 * float(point.detach()[0]) ** 2
    assert look.gramian()[0, 1].item() == pytest.approx(exact, rel=1e-5)


def test_a_tensor_that_two_losses_reach_in_different_parts_is_shared() -> None:
    look = Look()
    for task in "ab":
        point = torch.ones(2, requires_grad=True)
        look.add({task: point.sum() * 3}, Cut("shared", (point,)))
    look.close()
    assert look.shared == (0,)
    assert look.gradients is None  # only products are kept
    assert_close(look.gramian(), torch.tensor([[18.0, 0], [0, 18]]).double())


class Net(nn.Module):
    """A layer below the surface, towers above it; the last task has a parameter of its own."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.below = nn.Linear(5, 4)
        self.towers = nn.ModuleList(nn.Linear(4, 1) for _ in TASKS)
        self.own = nn.Parameter(torch.tensor(0.5))

    def part(self, rows: Tensor, surface: Surface, lacks: str = "") -> Part:
        """Losses over the rows; a penalty."""
        shared = self.below(rows).tanh()
        shared = shared.view_as(shared)
        found: dict[str, Tensor] = {}
        for number, (task, tower) in enumerate(zip(TASKS, self.towers, strict=True)):
            wanted = rows[:, number].sin() * 3**number
            found[task] = (tower(shared).squeeze(1) - wanted).square().mean()
        found["c"] = found["c"] + self.own.square()
        found.pop(lacks, None)
        tensors = (shared,) if surface == "shared" else tuple(self.parameters())
        return Part(found, self.below.weight.square().mean(), Cut(surface, tensors))

    def gradients(self) -> dict[str, Tensor]:
        return {
            name: torch.zeros_like(p) if p.grad is None else p.grad.clone()
            for name, p in self.named_parameters()
        }


def rows_of(step: int) -> Tensor:
    return torch.randn(24, 5, generator=torch.Generator().manual_seed(step))


def step_whole(
    rule: Balancer, step: int, surface: Surface
) -> tuple[dict[str, Tensor], dict[str, float]]:
    net = Net()
    weights = rule.backward(*net.part(rows_of(step), surface))
    return net.gradients(), weights


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("name", MADE)
def test_a_step_in_parts_is_the_step_of_all_their_rows(name: str, surface: Surface) -> None:
    """Gradients accumulate task by task, not what a rule made of each part."""
    whole, parted = MADE[name](surface), MADE[name](surface)
    for rule in (whole, parted):
        rule.prepare(FACTS)
    for step in range(4):
        expected, weights = step_whole(whole, step, surface)
        net = Net()
        parts = [partial(net.part, rows, surface) for rows in rows_of(step).chunk(3)]
        told = parted.backward_in_parts(parts)
        assert told == pytest.approx(weights, rel=1e-3, abs=1e-5)
        assert_close(net.gradients(), expected, rtol=1e-3, atol=1e-5)
        if (seen := whole.gradients) is not None:
            assert parted.gradients is not None
            assert_close(parted.gradients.gramian, seen.gramian, rtol=1e-4, atol=1e-6)
        for rule in (whole, parted):
            if rule.needs_second_look:
                rule.after_step(dict.fromkeys(TASKS, 0.5))


@pytest.mark.parametrize("surface", SURFACES)
def test_aggregates_of_the_parts_would_be_another_step(surface: Surface) -> None:
    """So that the test above can fail: the rule by itself on each part, added up."""
    rule = UPGrad(surface=surface)
    expected, _ = step_whole(rule, 0, surface)
    net = Net()
    for rows in rows_of(0).chunk(3):
        losses, penalty, cut = net.part(rows, surface)
        assert penalty is not None
        rule.backward({task: loss / 3 for task, loss in losses.items()}, penalty / 3, cut)
    gap = net.gradients()["below.weight"] - expected["below.weight"]
    assert gap.abs().max() > 1e-2


@pytest.mark.parametrize("surface", SURFACES)
def test_a_task_that_a_part_lacks_brings_nothing_there(surface: Surface) -> None:
    net, rule = Net(), FairGrad(surface=surface)
    one, two = rows_of(0).chunk(2)
    told = rule.backward_in_parts(
        [partial(net.part, one, surface, "a"), partial(net.part, two, surface)]
    )
    assert set(told) == set(TASKS)
    plain = Net()
    for rows, lacks in ((one, "a"), (two, "")):
        losses, penalty, _ = plain.part(rows, surface, lacks)
        assert penalty is not None
        weighed = [losses[task] * told[task] for task in losses]
        (torch.stack([*weighed, penalty]).sum() / 2).backward()
    assert_close(net.below.weight.grad, plain.below.weight.grad)
    own = Net()  # what one task alone reaches learns plainly
    (own.part(one, surface).losses["c"] / 2 + own.part(two, surface).losses["c"] / 2).backward()
    assert_close(net.own.grad, own.own.grad)
    assert_close(net.towers[2].weight.grad, own.towers[2].weight.grad)


def test_a_step_whose_parts_have_one_task_is_plain() -> None:
    net = Net()

    def part(rows: Tensor) -> Part:
        losses, penalty, cut = net.part(rows, "shared")
        return Part({"b": losses["b"]}, penalty, cut)

    rows = rows_of(0).chunk(2)
    assert FairGrad().backward_in_parts([partial(part, r) for r in rows]) == {"b": 1.0}
    plain = Net()
    losses, penalty, _ = plain.part(rows_of(0), "shared")
    assert penalty is not None
    (losses["b"] + penalty).backward()
    assert_close(net.below.weight.grad, plain.below.weight.grad)


def in_a_process(rank: int, port: int, folder: str) -> None:
    """Every rule on half of the rows; what it decided, and the mean of the gradients."""
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", rank=rank, world_size=2)
    found = {}
    for name, make in MADE.items():
        for surface in SURFACES:
            rule = make(surface)
            rule.prepare(FACTS)
            for step in range(3):
                net = Net()
                rows = rows_of(step).chunk(2)[rank]
                # In the last step one process has two tasks only, so the other must not wait.
                lacks = "b" if step == 2 and rank == 1 else ""
                weights = rule.backward(*net.part(rows, surface, lacks))
                if rule.needs_second_look:
                    rule.after_step(dict.fromkeys(TASKS, 0.4 + 0.2 * rank))
                gradients = net.gradients()
                for gradient in gradients.values():
                    distributed.all_reduce(gradient)
                    gradient /= 2
                found[f"{name}, {surface}, {step}"] = (weights, gradients)
    torch.save(found, Path(folder) / f"{rank}.pt")
    distributed.destroy_process_group()


def test_two_processes_decide_as_one(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    multiprocessing.spawn(in_a_process, (port, str(tmp_path)), nprocs=2)
    one, other = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    for name, make in MADE.items():
        for surface in SURFACES:
            rule = make(surface)
            rule.prepare(FACTS)
            for step in range(3):
                place = f"{name}, {surface}, {step}"
                net = Net()
                chunks = rows_of(step).chunk(2)
                lacks = ("", "b" if step == 2 else "")
                weights = rule.backward_in_parts(
                    [partial(net.part, r, surface, m) for r, m in zip(chunks, lacks, strict=True)]
                )
                if rule.needs_second_look:
                    rule.after_step(dict.fromkeys(TASKS, 0.5))
                _check(one[place], weights, net.gradients(), place)
                _check(other[place], weights, net.gradients(), place)


def _check(
    found: tuple[Mapping[str, float], Mapping[str, Tensor]],
    weights: Mapping[str, float],
    gradients: Mapping[str, Tensor],
    place: str,
) -> None:
    told, reduced = found
    assert told == pytest.approx({task: weights[task] for task in told}, rel=1e-3), place
    assert_close(dict(reduced), dict(gradients), rtol=1e-3, atol=1e-5, msg=place)


def test_products_by_group_add_up_to_those_of_the_surface() -> None:
    one, two = (torch.ones(2, requires_grad=True) for _ in range(2))
    losses = {"a": one.sum() + 2 * two.sum(), "b": -one.sum() + two.sum()}
    look = Look()
    look.add(losses, Cut("shared", (one, two), ("low", "high")))
    look.close()
    assert_close(look.by_group()["low"], torch.tensor([[2.0, -2], [-2, 2]]).double())
    assert_close(sum(look.by_group().values()), look.gramian())
