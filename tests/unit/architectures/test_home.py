from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pytest
import torch
from tests.unit.architectures import reference
from tests.unit.architectures.test_mmoe import weight_of
from torch import Tensor, nn
from torch.testing import assert_close

from plait.architectures import Encoded, HoME, Widths
from plait.architectures.home import _GatedExperts, _Unit
from plait.errors import ArchitectureError, UnknownNameError
from plait.modules import SoftmaxGate
from plait.settings import arguments, settings_of
from plait.testing import ArchitectureContract

TASKS = ("click", "like", "seconds")
GROUPS = {"acts": ("click", "like"), "time": ("seconds",)}
WIDTHS = Widths(main=6)
SMALL = partial(HoME, layers=(7, 5), gate_rank=2, groups=GROUPS)


class TestHoME(ArchitectureContract):
    def make(self, tasks: Sequence[str]) -> HoME:
        return HoME(
            Widths(main=12),
            tasks,
            groups={"first": tasks[:1], "others": tasks[1:]} if len(tasks) > 1 else None,
            shared_experts=2,
            layers=(9, 8),
            gate_rank=3,
            dropout=0.1,
        )


def _run(home: HoME, main: Tensor) -> dict[str, Tensor]:
    return home.split(home.share(Encoded(main)))


def _experts(part: nn.Module) -> list[reference.HomeExpert]:
    assert isinstance(part, _GatedExperts)
    bank = part.experts
    layers = [
        [tensor.detach().numpy() for tensor in layer]
        for layer in zip(bank.weights, bank.biases, bank.scales, bank.shifts, strict=True)
    ]
    return [
        reference.HomeExpert(
            narrow.detach().numpy(),
            wide.detach().numpy(),
            [(weight[e], bias[e], scale[e], shift[e]) for weight, bias, scale, shift in layers],
        )
        for e, (narrow, wide) in enumerate(zip(part.narrow, part.wide, strict=True))
    ]


def _unit(part: nn.Module) -> reference.HomeUnit:
    assert isinstance(part, _Unit)
    return reference.HomeUnit(_experts(part.own), weight_of(part.gate), weight_of(part.self_gate))


@pytest.mark.parametrize(("shared", "group", "own"), [(1, 1, 1), (2, 1, 2), (1, 3, 1)])
def test_it_is_the_equations_of_its_docstring(shared: int, group: int, own: int) -> None:
    home = SMALL(WIDTHS, TASKS, shared_experts=shared, group_experts=group, task_experts=own)
    home.double().eval()
    for name, parameter in home.named_parameters():
        if {"biases", "shifts", "scales"} & {*name.split(".")}:
            nn.init.normal_(parameter)
    net = reference.Home(
        _experts(home.first_world),
        weight_of(home.first_gate),
        [_unit(unit) for unit in home.group_units],
        _experts(home.world),
        [_experts(bank) for bank in home.group_experts_above],
        [_unit(unit) for unit in home.task_units],
        [0, 0, 1],
    )
    main = torch.randn(8, 6, dtype=torch.float64)
    outputs = _run(home, main)
    for row, x in enumerate(main.numpy()):
        for task, vector in zip(TASKS, reference.home(x, net), strict=True):
            np.testing.assert_allclose(outputs[task][row].detach(), vector, atol=1e-10, rtol=0)


def test_a_loss_reaches_nothing_of_another_group_and_nothing_of_another_task() -> None:
    home = SMALL(WIDTHS, TASKS, shared_experts=2, dropout=0)
    _run(home, torch.randn(8, 6))["like"].square().sum().backward()
    reached = {name for name, p in home.named_parameters() if p.grad is not None}
    out = {name for name, _ in home.named_parameters()} - reached
    theirs = ("group_units.1.", "group_experts_above.1.", "task_units.0.", "task_units.2.")
    assert out == {name for name, _ in home.named_parameters() if name.startswith(theirs)}


def test_own_experts_learn_though_the_mixing_gate_gives_them_nothing() -> None:
    home = SMALL(WIDTHS, TASKS, dropout=0)
    unit = home.task_units[0]
    assert isinstance(unit, _Unit)
    gate = unit.gate
    assert isinstance(gate, SoftmaxGate)

    def nothing_for_own(module: nn.Module, args: object, logits: Tensor) -> Tensor:
        return logits + torch.tensor([0.0, 0.0, -1e9])

    gate.logits = lambda read: nothing_for_own(gate, (), SoftmaxGate.logits(gate, read))  # type: ignore[method-assign]
    _run(home, torch.randn(8, 6))["click"].square().sum().backward()
    for parameter in unit.own.parameters():
        assert parameter.grad is not None
        assert parameter.grad.abs().sum() > 0


def test_normalised_experts_have_one_scale_whatever_their_weights_are() -> None:
    home = SMALL(WIDTHS, TASKS, shared_experts=2, layers=(64,)).eval()
    with torch.no_grad():
        home.first_world.experts.weights[0][1].mul_(50)
    first, second = home.first_world(torch.randn(32, 6))
    assert 0.5 < float(second.detach().std() / first.detach().std()) < 2


def test_without_groups_all_tasks_are_of_one_kind() -> None:
    torch.manual_seed(0)
    plain = HoME(WIDTHS, TASKS, layers=(7,), gate_rank=2).eval()
    torch.manual_seed(0)
    named = HoME(WIDTHS, TASKS, layers=(7,), gate_rank=2, groups={"all": TASKS}).eval()
    main = torch.randn(8, 6)
    for task, output in _run(plain, main).items():
        assert_close(output, _run(named, main)[task])


def test_gate_mass_tells_levels_groups_and_tasks() -> None:
    mass = SMALL(WIDTHS, TASKS).gate_mass(Encoded(torch.randn(8, 6)))
    assert list(mass) == [
        "level 1, shared",
        "level 1, group acts",
        "level 1, group time",
        *(f"level 2, {task}" for task in TASKS),
    ]
    assert list(mass["level 2, like"]) == ["shared 0", "group acts 0", "like 0"]
    assert all(sum(shares.values()) == pytest.approx(1) for shares in mass.values())


def test_what_is_wrong_is_told_at_construction() -> None:
    with pytest.raises(UnknownNameError, match=r"'clik'.*`groups` of HoME.*click"):
        HoME(WIDTHS, TASKS, groups={"acts": ["clik", "like", "seconds"]})
    with pytest.raises(ArchitectureError, match=r"every task once; seconds stands in none"):
        HoME(WIDTHS, TASKS, groups={"acts": ["click", "like"]})
    with pytest.raises(ArchitectureError, match=r"every task once; click stands in none or in"):
        HoME(WIDTHS, TASKS, groups={"acts": ["click", "like"], "time": ["click", "seconds"]})
    with pytest.raises(ArchitectureError, match=r"`groups` has no task in time"):
        HoME(WIDTHS, TASKS, groups={"acts": TASKS, "time": ()})
    with pytest.raises(ArchitectureError, match=r"`gate_rank` must be at least 1, got 0"):
        HoME(WIDTHS, TASKS, gate_rank=0)


def test_settings_for_some_tasks_name_their_groups_only() -> None:
    settings = settings_of(SMALL(WIDTHS, TASKS))
    narrowed = HoME.settings_for(settings, ["like"])
    assert narrowed["groups"] == {"acts": ["like"]}
    assert HoME(WIDTHS, ["like"], **arguments(narrowed)).groups == {"acts": ("like",)}
    plain = settings_of(HoME(WIDTHS, TASKS))
    assert HoME.settings_for(plain, ["like"]) == plain
