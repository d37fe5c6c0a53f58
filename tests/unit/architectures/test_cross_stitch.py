from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from tests.unit.architectures import reference
from tests.unit.architectures.test_mmoe import layers_of, randomise_biases
from torch.testing import assert_close

from plait.architectures import CrossStitch, Encoded, SharedBottom, SingleTask, Widths
from plait.architectures.cross_stitch import _Stitch
from plait.errors import ArchitectureError
from plait.testing import ArchitectureContract

TASKS = ["click", "like", "buy"]


class TestCrossStitch(ArchitectureContract):
    def make(self, tasks: Sequence[str]) -> CrossStitch:
        return CrossStitch(Widths(main=12), tasks, layers=(9, 4), dropout=0.1)


def _stitches(stitched: CrossStitch) -> list[_Stitch]:
    return [stitch for stitch in stitched.stitches if isinstance(stitch, _Stitch)]


def _free_copy(stitched: CrossStitch, single: SingleTask) -> None:
    """The networks of tasks that share nothing, put into stitched ones."""
    for layer, bank in enumerate(stitched.networks):
        state = {
            "weights.0": [n.linears[layer].weight for n in single.networks],
            "biases.0": [n.linears[layer].bias for n in single.networks],
        }
        bank.load_state_dict({name: torch.stack(rows) for name, rows in state.items()})


@pytest.mark.parametrize("layers", [(5,), (7, 5), (7, 6, 5)])
def test_cross_stitch_is_the_paper_s_equation(layers: tuple[int, ...]) -> None:
    stitched = CrossStitch(Widths(main=6), TASKS, layers=layers).double().eval()
    randomise_biases(stitched)
    for stitch in _stitches(stitched):
        for row in stitch.rows:
            torch.nn.init.normal_(row)
    main = torch.randn(8, 6, dtype=torch.float64)
    outputs = stitched.split(stitched.share(Encoded(main)))
    networks = [[expert[0] for expert in layers_of(bank)] for bank in stitched.networks]
    matrices = [torch.stack(list(stitch.rows)).detach().numpy() for stitch in _stitches(stitched)]
    for row_number, x in enumerate(main.numpy()):
        expected = reference.cross_stitch(x, networks, matrices)
        for task, vector in zip(TASKS, expected, strict=True):
            found = outputs[task][row_number].detach()
            np.testing.assert_allclose(found, vector, atol=1e-10, rtol=0)


def test_without_exchange_it_is_single_task() -> None:
    single = SingleTask(Widths(main=6), TASKS, layers=(7, 5), dropout=0)
    stitched = CrossStitch(Widths(main=6), TASKS, layers=(7, 5), own=1.0, dropout=0)
    _free_copy(stitched, single)
    encoded = Encoded(torch.randn(4, 6))
    expected = single.split(single.share(encoded))
    for task, output in stitched.split(stitched.share(encoded)).items():
        assert_close(output, expected[task])


def test_one_task_is_a_shared_bottom() -> None:
    stitched = CrossStitch(Widths(main=6), ["click"], layers=(7, 5), dropout=0)
    bottom = SharedBottom(Widths(main=6), ["click"], layers=(7, 5), dropout=0)
    for layer, bank in enumerate(stitched.networks):
        weights, biases = bank.state_dict()["weights.0"], bank.state_dict()["biases.0"]
        linear = bottom.bottom.linears[layer]
        linear.load_state_dict({"weight": weights[0], "bias": biases[0]})
    encoded = Encoded(torch.randn(4, 6))
    found = stitched.split(stitched.share(encoded))["click"]
    assert torch.equal(found, bottom.split(bottom.share(encoded))["click"])


def test_the_blend_starts_at_a_share_for_the_task_and_the_rest_for_the_others() -> None:
    stitched = CrossStitch(Widths(main=6), TASKS, layers=(4,), own=0.8)
    (layer,) = stitched.exchange()
    assert layer["like"] == pytest.approx([0.1, 0.8, 0.1])


def test_a_task_s_loss_moves_every_network_but_only_its_own_last_blend() -> None:
    stitched = CrossStitch(Widths(main=6), ["click", "like"], layers=(5, 4), dropout=0)
    stitched.split(stitched.share(Encoded(torch.randn(8, 6))))["like"].sum().backward()
    first, last = _stitches(stitched)
    assert all(row.grad is not None for row in first.rows)
    assert last.rows[0].grad is None
    assert last.rows[1].grad is not None
    for bank in stitched.networks:
        for parameter in bank.parameters():
            assert parameter.grad is not None
            assert (parameter.grad.flatten(1).abs().sum(dim=1) > 0).all()


def test_settings_that_make_no_cross_stitch_are_refused() -> None:
    with pytest.raises(ArchitectureError, match=r"`layers` is empty: CrossStitch exchanges"):
        CrossStitch(Widths(main=6), TASKS, layers=())
    with pytest.raises(ArchitectureError, match=r"`own` must lie between 0 and 1, got 1.5"):
        CrossStitch(Widths(main=6), TASKS, own=1.5)
