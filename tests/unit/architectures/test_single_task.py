from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from plait.architectures import Encoded, SharedBottom, SingleTask, Widths
from plait.errors import ArchitectureError
from plait.testing import ArchitectureContract


class TestSingleTask(ArchitectureContract):
    def make(self, tasks: Sequence[str]) -> SingleTask:
        return SingleTask(Widths(main=12), tasks, layers=(9, 4), dropout=0.1)


class TestMatchedSingleTask(ArchitectureContract):
    def make(self, tasks: Sequence[str]) -> SingleTask:
        return SingleTask(Widths(main=12), tasks, layers=(19, 10), capacity="matched")


def test_a_tasks_loss_moves_its_own_network_only() -> None:
    single = SingleTask(Widths(main=6), ["click", "like"], layers=(5,))
    outputs = single.split(single.share(Encoded(torch.randn(4, 6))))
    outputs["like"].sum().backward()
    click, like = single.networks
    assert all(parameter.grad is None for parameter in click.parameters())
    assert all(parameter.grad is not None for parameter in like.parameters())


def test_case_49_a_task_is_trained_the_same_whatever_the_others_weigh() -> None:
    def gradient(weights: tuple[float, float]) -> torch.Tensor:
        torch.manual_seed(3)
        single = SingleTask(Widths(main=6), ["click", "like"], layers=(5,), dropout=0)
        outputs = single.split(single.share(Encoded(torch.ones(4, 6))))
        losses = [output.square().sum() for output in outputs.values()]
        (weights[0] * losses[0] + weights[1] * losses[1]).backward()
        found = next(single.networks[0].parameters()).grad
        assert found is not None
        return found

    assert torch.equal(gradient((1.0, 0.0)), gradient((1.0, 7.0)))


@pytest.mark.parametrize("num_tasks", [1, 2, 5])
@pytest.mark.parametrize("layers", [(256, 128), (64,), (40, 80, 20)])
def test_matched_networks_together_are_as_large_as_one_shared_bottom(
    num_tasks: int, layers: tuple[int, ...]
) -> None:
    def size(module: torch.nn.Module) -> int:
        return sum(parameter.numel() for parameter in module.parameters())

    tasks = [f"task{number}" for number in range(num_tasks)]
    shared = SharedBottom(Widths(main=50), tasks, layers=layers)
    matched = SingleTask(Widths(main=50), tasks, layers=layers, capacity="matched")
    assert size(matched) == pytest.approx(size(shared), rel=0.03)
    assert (size(matched) == size(shared)) or num_tasks > 1


def test_no_layers_give_every_task_the_inputs() -> None:
    main = torch.randn(4, 6)
    single = SingleTask(Widths(main=6), ["click", "like"], layers=(), capacity="matched")
    assert single.out_features == 6
    for output in single.split(single.share(Encoded(main))).values():
        assert torch.equal(output, main)


def test_an_unknown_capacity_is_refused() -> None:
    with pytest.raises(ArchitectureError, match=r"`capacity` is 'full' or 'matched', got 'half'"):
        SingleTask(Widths(main=6), ["click"], capacity="half")  # type: ignore[arg-type]
