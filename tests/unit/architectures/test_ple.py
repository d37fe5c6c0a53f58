from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from tests.unit.architectures import reference
from tests.unit.architectures.test_mmoe import layers_of, randomise_biases, weight_of
from torch import Tensor

from plait.architectures import CGC, PLE, Encoded, MMoE, SharedBottom, Widths
from plait.architectures.ple import _InnerLevel, _Level
from plait.errors import ArchitectureError
from plait.testing import ArchitectureContract

TASKS = ["click", "like", "buy"]


class TestPLE(ArchitectureContract):
    def make(self, tasks: Sequence[str]) -> PLE:
        return PLE(Widths(main=12), tasks, layers=(9, 8), dropout=0.1)


class TestPLEWithoutOwnExperts(ArchitectureContract):
    def make(self, tasks: Sequence[str]) -> PLE:
        return PLE(Widths(main=12), tasks, num_levels=3, task_experts=0, layers=(8,))


class TestCGC(ArchitectureContract):
    def make(self, tasks: Sequence[str]) -> CGC:
        return CGC(Widths(main=12), tasks, layers=(9, 8), dropout=0.1)


def _run(architecture: PLE | MMoE | SharedBottom, main: Tensor) -> dict[str, Tensor]:
    return architecture.split(architecture.share(Encoded(main)))


def _described(ple: PLE) -> list[reference.Level]:
    """The weights, for the reference."""
    levels = []
    for level in (*ple.inner, ple.last):
        assert isinstance(level, _Level)
        shared_gate = level.shared_gate if isinstance(level, _InnerLevel) else None
        levels.append(
            reference.Level(
                own=[layers_of(bank) for bank in level.own_experts] or [[]] * len(ple.tasks),
                shared=layers_of(level.shared),
                gates=[weight_of(gate) for gate in level.gates],
                shared_gate=None if shared_gate is None else weight_of(shared_gate),
            )
        )
    return levels


@pytest.mark.parametrize("num_levels", [1, 2, 3])
@pytest.mark.parametrize(("shared_experts", "task_experts"), [(1, 1), (2, 3), (2, 0)])
def test_ple_is_the_paper_s_equations(
    num_levels: int, shared_experts: int, task_experts: int
) -> None:
    ple = PLE(
        Widths(main=6),
        TASKS,
        num_levels=num_levels,
        shared_experts=shared_experts,
        task_experts=task_experts,
        layers=(7, 5),
    )
    ple.double().eval()
    randomise_biases(ple)
    main = torch.randn(5, 6, dtype=torch.float64)
    outputs = _run(ple, main)
    for row, x in enumerate(main.numpy()):
        expected = reference.ple(x, _described(ple), num_tasks=len(TASKS))
        for task, vector in zip(TASKS, expected, strict=True):
            np.testing.assert_allclose(outputs[task][row].detach(), vector, atol=1e-10, rtol=0)


def test_cgc_is_ple_with_one_level() -> None:
    cgc = CGC(Widths(main=6), TASKS, layers=(7, 5), dropout=0)
    ple = PLE(Widths(main=6), TASKS, num_levels=1, layers=(7, 5), dropout=0)
    ple.load_state_dict(cgc.state_dict())
    main = torch.randn(4, 6)
    expected = _run(ple, main)
    for task, output in _run(cgc, main).items():
        assert torch.equal(output, expected[task])


def test_one_level_without_own_experts_is_mmoe() -> None:
    cgc = CGC(Widths(main=6), TASKS, shared_experts=4, task_experts=0, layers=(7, 5), dropout=0)
    mmoe = MMoE(Widths(main=6), TASKS, num_experts=4, layers=(7, 5), dropout=0)
    mmoe.experts.load_state_dict(cgc.last.shared.state_dict())
    mmoe.gates.load_state_dict(cgc.last.gates.state_dict())
    main = torch.randn(4, 6)
    expected = _run(mmoe, main)
    for task, output in _run(cgc, main).items():
        assert torch.equal(output, expected[task])


def test_one_shared_expert_and_no_own_one_is_a_shared_bottom() -> None:
    cgc = CGC(Widths(main=6), TASKS, shared_experts=1, task_experts=0, layers=(5,), dropout=0)
    bottom = SharedBottom(Widths(main=6), TASKS, layers=(5,), dropout=0)
    bank = cgc.last.shared
    bottom.bottom.load_state_dict(
        {"linears.0.weight": bank.weights[0][0], "linears.0.bias": bank.biases[0][0]}
    )
    main = torch.randn(4, 6)
    expected = _run(bottom, main)
    for task, output in _run(cgc, main).items():
        assert torch.equal(output, expected[task])


@pytest.mark.parametrize("num_levels", [1, 2])
def test_case_61_a_last_expert_of_a_task_receives_no_other_tasks_gradient(num_levels: int) -> None:
    ple = PLE(Widths(main=6), ["click", "like"], num_levels=num_levels, layers=(6,), dropout=0)
    _run(ple, torch.randn(8, 6))["like"].sum().backward()
    click, like = ple.last.own_experts
    assert all(parameter.grad is None for parameter in click.parameters())
    assert all(_moves(parameter) for parameter in like.parameters())
    assert all(parameter.grad is None for parameter in ple.last.gates[0].parameters())
    assert all(_moves(parameter) for parameter in ple.last.shared.parameters())


def test_case_61_below_the_last_level_every_expert_learns_from_every_task() -> None:
    ple = PLE(Widths(main=6), ["click", "like"], num_levels=2, layers=(6,), dropout=0)
    _run(ple, torch.randn(8, 6))["like"].sum().backward()
    (level,) = ple.inner
    assert isinstance(level, _InnerLevel)
    for part in (level.shared, *level.own_experts, level.shared_gate, level.gates[1]):
        assert all(_moves(parameter) for parameter in part.parameters())
    # But not the gate whose mixture only the other task reads.
    assert all(parameter.grad is None for parameter in level.gates[0].parameters())


def _moves(parameter: Tensor) -> bool:
    return parameter.grad is not None and bool(parameter.grad.abs().sum() > 0)


def test_tasks_hold_no_parameter_of_the_last_level_in_common_but_the_shared_experts() -> None:
    ple = PLE(Widths(main=6), ["click", "like"], layers=(6,), dropout=0)
    shared = ple.share(Encoded(torch.randn(8, 6)))
    assert len(shared.experts) == ple.shared_experts
    assert len(shared.gate_inputs) == 2
    reached = []
    for output in ple.split(shared).values():
        ple.zero_grad()
        output.sum().backward(retain_graph=True)
        names = {n for n, p in ple.last.named_parameters() if p.grad is not None}
        reached.append(names)
    assert {name.split(".")[0] for name in reached[0] & reached[1]} == {"shared"}


def test_one_level_gives_the_common_input_of_the_gates_once() -> None:
    main = torch.randn(8, 6)
    shared = CGC(Widths(main=6), TASKS, layers=(6,)).share(Encoded(main))
    assert len(shared.gate_inputs) == 1
    assert shared.gate_inputs[0] is main


def test_case_58_gate_mass_names_every_gate_and_expert() -> None:
    ple = PLE(Widths(main=6), ["click", "buy"], shared_experts=1, task_experts=1, layers=(4,))
    masses = ple.gate_mass(Encoded(torch.zeros(3, 6)))
    half = {"shared 0": 0.5}
    third = pytest.approx(1 / 3)
    assert masses["level 1, click"] == half | {"click 0": 0.5}
    assert masses["level 1, shared"] == dict.fromkeys(("click 0", "buy 0", "shared 0"), third)
    assert list(masses)[3:] == ["level 2, click", "level 2, buy"]
    assert sum(masses["level 2, buy"].values()) == pytest.approx(1)
    assert list(masses["level 2, buy"]) == ["buy 0", "shared 0"]


def test_case_59_levels_depth_and_numbers_are_options() -> None:
    ple = PLE(
        Widths(main=6), TASKS, num_levels=4, shared_experts=3, task_experts=1, layers=(5, 4, 3)
    )
    assert len(ple.inner) == 3
    assert _run(ple, torch.randn(2, 6))["buy"].shape == (2, 3)


def test_case_62_one_task_is_enough() -> None:
    ple = PLE(Widths(main=6), ["click"], layers=(4,))
    assert _run(ple, torch.randn(2, 6))["click"].shape == (2, 4)


def test_counts_that_make_no_ple_are_refused_in_one_message() -> None:
    with pytest.raises(ArchitectureError) as error:
        PLE(Widths(main=6), TASKS, num_levels=0, shared_experts=0, task_experts=-1)
    assert "`num_levels` must be at least 1, got 0" in str(error.value)
    assert "`shared_experts` must be at least 1, got 0; for tasks that share nothing" in str(
        error.value
    )
    assert "`task_experts` must not be negative, got -1" in str(error.value)
