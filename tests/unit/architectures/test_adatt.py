from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from tests.unit.architectures import reference
from tests.unit.architectures.test_mmoe import layers_of, randomise_biases, weight_of
from torch import Tensor
from torch.testing import assert_close

from plait.architectures import AdaTT, Encoded, SharedBottom, Widths
from plait.architectures.adatt import _Level, _Residual
from plait.errors import ArchitectureError
from plait.testing import ArchitectureContract

TASKS = ["click", "like", "buy"]


class TestAdaTT(ArchitectureContract):
    def make(self, tasks: Sequence[str]) -> AdaTT:
        return AdaTT(Widths(main=12), tasks, layers=(9, 8), dropout=0.1)


class TestAdaTTSp(ArchitectureContract):
    def make(self, tasks: Sequence[str]) -> AdaTT:
        return AdaTT(
            Widths(main=12), tasks, num_levels=1, task_experts=2, shared_experts=0, layers=(8,)
        )


def _run(adatt: AdaTT, main: Tensor) -> dict[str, Tensor]:
    return adatt.split(adatt.share(Encoded(main)))


def _levels(adatt: AdaTT) -> list[_Level]:
    return [level for level in adatt.levels if isinstance(level, _Level)]


def _described(adatt: AdaTT) -> list[list[reference.Unit]]:
    """The weights, for the reference."""
    levels = []
    for level in _levels(adatt):
        units = []
        for number, bank in enumerate(level.banks):
            gate, residual = None, None
            if number < len(level.gates):
                gate = weight_of(level.gates[number])
                kept = level.residuals[number]
                assert isinstance(kept, _Residual)
                residual = np.ones(1) if kept.weights is None else kept.weights.detach().numpy()
            units.append(reference.Unit(layers_of(bank), gate, residual))
        levels.append(units)
    return levels


@pytest.mark.parametrize("num_levels", [1, 2, 3])
@pytest.mark.parametrize(("task_experts", "shared_experts"), [(1, 0), (2, 1), (3, 2)])
def test_adatt_is_the_paper_s_equations(
    num_levels: int, task_experts: int, shared_experts: int
) -> None:
    adatt = AdaTT(
        Widths(main=6),
        TASKS,
        num_levels=num_levels,
        task_experts=task_experts,
        shared_experts=shared_experts,
        layers=(7, 5),
    )
    adatt.double().eval()
    randomise_biases(adatt)
    main = torch.randn(5, 6, dtype=torch.float64)
    outputs = _run(adatt, main)
    for row, x in enumerate(main.numpy()):
        expected = reference.adatt(x, _described(adatt), num_tasks=len(TASKS))
        for task, vector in zip(TASKS, expected, strict=True):
            np.testing.assert_allclose(outputs[task][row].detach(), vector, atol=1e-10, rtol=0)


def test_one_task_with_one_expert_doubles_a_shared_bottom() -> None:
    # The gate of one expert gives it all, and the residual gives it once more.
    adatt = AdaTT(
        Widths(main=6),
        ["click"],
        num_levels=1,
        task_experts=1,
        shared_experts=0,
        layers=(5,),
        dropout=0,
    )
    bottom = SharedBottom(Widths(main=6), ["click"], layers=(5,), dropout=0)
    (bank,) = adatt.levels[0].banks
    state = bank.state_dict()
    bottom.bottom.linears[0].load_state_dict(
        {"weight": state["weights.0"][0], "bias": state["biases.0"][0]}
    )
    main = torch.randn(4, 6)
    expected = bottom.split(bottom.share(Encoded(main)))["click"]
    assert_close(_run(adatt, main)["click"], 2 * expected)


def test_residuals_start_within_one_over_the_root_of_the_number() -> None:
    adatt = AdaTT(Widths(main=6), TASKS, task_experts=4, layers=(4,))
    drawn = [
        residual.weights
        for level in _levels(adatt)
        for residual in level.residuals
        if isinstance(residual, _Residual) and residual.weights is not None
    ]
    weights = torch.cat([weights.detach() for weights in drawn])
    assert (weights.abs() <= 0.5).all()
    assert weights.min() < 0 < weights.max()


def test_a_task_s_loss_reaches_all_experts_but_no_last_gate_or_residual_of_another() -> None:
    adatt = AdaTT(Widths(main=6), ["click", "like"], layers=(5,), dropout=0)
    _run(adatt, torch.randn(16, 6))["like"].sum().backward()
    for level in _levels(adatt):
        for bank in level.banks:
            assert all(_moves(parameter) for parameter in bank.parameters())
    last = _levels(adatt)[-1]
    for parts in (last.gates, last.residuals):
        click, like = parts
        assert all(parameter.grad is None for parameter in click.parameters())
        assert all(_moves(parameter) for parameter in like.parameters())


def _moves(parameter: Tensor) -> bool:
    return parameter.grad is not None and bool(parameter.grad.abs().sum() > 0)


def test_gate_mass_names_every_gate_and_expert() -> None:
    adatt = AdaTT(Widths(main=6), ["click", "buy"], task_experts=1, layers=(4,))
    masses = adatt.gate_mass(Encoded(torch.zeros(3, 6)))
    assert list(masses) == [
        "level 1, click",
        "level 1, buy",
        "level 1, shared",
        "level 2, click",
        "level 2, buy",
    ]
    third = pytest.approx(1 / 3)
    assert masses["level 1, buy"] == dict.fromkeys(("click 0", "buy 0", "shared 0"), third)


def test_counts_that_make_no_adatt_are_refused_in_one_message() -> None:
    with pytest.raises(ArchitectureError) as error:
        AdaTT(Widths(main=6), TASKS, num_levels=0, task_experts=0, shared_experts=-1)
    assert str(error.value) == (
        "`num_levels` must be at least 1, got 0; `task_experts` must be at least 1, got 0; "
        "`shared_experts` must be at least 0, got -1."
    )
