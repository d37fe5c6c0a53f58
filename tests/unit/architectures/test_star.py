from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from tests.unit.architectures import reference
from tests.unit.architectures.test_mmoe import randomise_biases
from torch import nn
from torch.testing import assert_close

from plait.architectures import STAR, Encoded, SharedBottom, Widths
from plait.errors import ArchitectureError
from plait.testing import ArchitectureContract

TASKS = ["click", "like"]
WIDTHS = Widths(main=6, num_scenarios=3)


class TestSTAR(ArchitectureContract):
    def make(self, tasks: Sequence[str]) -> STAR:
        return STAR(WIDTHS, tasks, layers=(9, 8), auxiliary=4, dropout=0.1)


def _departed(star: STAR) -> STAR:
    """Scenarios that differ, as they would after training."""
    for parameter in (*star.departures, *star.biases):
        nn.init.normal_(parameter)
    return star


def _encoded(scenarios: int = 3, dtype: torch.dtype = torch.float64) -> Encoded:
    return Encoded(torch.randn(8, 6, dtype=dtype), scenario=(torch.arange(8) * 5) % scenarios)


@pytest.mark.parametrize("auxiliary", [0, 4])
@pytest.mark.parametrize("layers", [(5,), (7, 5)])
def test_star_is_the_paper_s_equations(auxiliary: int, layers: tuple[int, ...]) -> None:
    star = _departed(STAR(WIDTHS, TASKS, layers=layers, auxiliary=auxiliary)).double().eval()
    randomise_biases(star)
    encoded = _encoded()
    output = star.split(star.share(encoded))["like"].detach()
    assert encoded.scenario is not None
    state = {name: tensor.numpy() for name, tensor in star.state_dict().items()}
    numbers = range(len(layers))
    shared = [
        (state[f"shared.linears.{n}.weight"], state[f"shared.linears.{n}.bias"]) for n in numbers
    ]
    for row, x in enumerate(encoded.main.numpy()):
        scenario = int(encoded.scenario[row])
        own = [
            (1.0 + state[f"departures.{n}"][scenario], state[f"biases.{n}"][scenario])
            for n in numbers
        ]
        beside = None
        if auxiliary:
            weight = np.concatenate([state["beside.of_scenario"], state["beside.of_main"]], axis=1)
            hidden = [(weight, state["beside.bias"])]
            vector = state["beside.scenarios.weight"][scenario]
            beside = (vector, hidden, state["beside.last.weight"], state["beside.last.bias"])
        expected = reference.star(x, shared, own, beside)
        np.testing.assert_allclose(output[row], expected, atol=1e-10, rtol=0)


def test_both_forms_of_the_forward_pass_agree() -> None:
    star = _departed(STAR(WIDTHS, TASKS, layers=(7, 5), dropout=0)).double()
    encoded = _encoded()
    assert encoded.scenario is not None
    each = star.run_each_on_its_own(encoded.main, encoded.scenario)
    assert_close(star.run_all_on_all(encoded.main, encoded.scenario), each)
    nothing = star.run_each_on_its_own(encoded.main[:0], encoded.scenario[:0])
    assert nothing.shape == (0, 5)


def test_one_scenario_is_its_shared_network() -> None:
    star = STAR(Widths(main=6, num_scenarios=1), TASKS, layers=(7, 5), auxiliary=0, dropout=0)
    bottom = SharedBottom(Widths(main=6), TASKS, layers=(7, 5), dropout=0)
    bottom.bottom.load_state_dict(star.shared.state_dict())
    encoded = _encoded(1, torch.float32)
    expected = bottom.split(bottom.share(encoded))
    for task, output in star.split(star.share(encoded)).items():
        assert torch.equal(output, expected[task])


def test_every_scenario_starts_as_the_shared_network() -> None:
    star = STAR(WIDTHS, TASKS, layers=(7, 5), auxiliary=0).eval()
    encoded = _encoded(dtype=torch.float32)
    expected = star.shared(encoded.main)
    assert_close(star.split(star.share(encoded))["click"], expected)


def test_rows_of_a_scenario_leave_the_weights_of_others_alone() -> None:
    star = _departed(STAR(WIDTHS, TASKS, layers=(7, 5), auxiliary=0, dropout=0))
    encoded = Encoded(torch.randn(8, 6), scenario=torch.full((8,), 1))
    star.split(star.share(encoded))["click"].sum().backward()
    for parameter in (*star.departures, *star.biases):
        assert parameter.grad is not None
        moved = parameter.grad.flatten(1).abs().sum(dim=1) > 0
        assert moved.tolist() == [False, True, False]
    assert all(parameter.grad is not None for parameter in star.shared.parameters())


def test_what_cannot_be_built_is_told_at_construction() -> None:
    with pytest.raises(ArchitectureError, match=r"STAR needs scenarios.*role `scenario`"):
        STAR(Widths(main=6), TASKS)
    with pytest.raises(ArchitectureError, match=r"`layers` is empty: STAR has weights"):
        STAR(WIDTHS, TASKS, layers=())
    with pytest.raises(ArchitectureError, match=r"`auxiliary` must not be negative, got -1"):
        STAR(WIDTHS, TASKS, auxiliary=-1)
