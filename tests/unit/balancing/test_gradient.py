"""The frame of rules that read gradients: what is weighed, what is left out, what is refused."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from plait.balancing import Cut, GradientBalancer, PCGrad, Surface
from plait.errors import ConfigurationError, TrainingError


class Given(GradientBalancer):
    """The weights that it is given; remembers what it was asked."""

    def __init__(self, *weights: float, surface: Surface = "shared") -> None:
        super().__init__(surface=surface)
        self.weights = weights
        self.asked: list[tuple[Tensor, Mapping[str, float]]] = []

    def weigh(self, gramian: Tensor, losses: Mapping[str, float]) -> Tensor:
        self.asked.append((gramian, losses))
        return torch.tensor(self.weights[: len(losses)], dtype=gramian.dtype)


def network() -> tuple[Tensor, Tensor, Tensor, dict[str, Tensor]]:
    """A parameter below, the surface in the middle, a tower above; two losses."""
    below = torch.tensor([1.0, 2.0], requires_grad=True)
    surface = 3 * below
    tower = torch.tensor(5.0, requires_grad=True)
    losses = {"a": tower * surface.sum(), "b": surface.square().sum() / 2}
    return below, surface, tower, losses


def test_below_the_surface_gradients_are_weighed_and_above_they_are_plain() -> None:
    below, surface, tower, losses = network()
    rule = Given(0.5, 2.0)
    assert rule.backward(losses, None, Cut("shared", (surface,))) == {"a": 0.5, "b": 2.0}
    assert_close(below.grad, 3 * (0.5 * 5.0 + 2.0 * surface.detach()))
    assert_close(tower.grad, surface.detach().sum())
    ((gramian, values),) = rule.asked
    assert_close(gramian, torch.tensor([[50.0, 45.0], [45.0, 45.0]]).double())
    assert values == {"a": 45.0, "b": 22.5}


def test_a_penalty_below_or_at_the_surface_is_added_unweighed() -> None:
    below, surface, _, losses = network()
    penalty = surface.sum() + 7 * below.sum()
    Given(0.0, 0.0).backward(losses, penalty, Cut("shared", (surface,)))
    assert_close(below.grad, torch.tensor([10.0, 10.0]))


def test_on_parameters_a_task_of_weight_zero_still_trains_its_tower() -> None:
    below, _, tower, losses = network()
    Given(0.0, 1.0, surface="parameters").backward(losses, None, Cut("parameters", (below, tower)))
    assert_close(below.grad, 9 * below.detach())
    assert_close(tower.grad, torch.tensor(9.0))


def test_one_task_alone_is_a_plain_step_that_asks_nothing() -> None:
    below, surface, _, losses = network()
    rule = Given(9.0)
    assert rule.backward({"b": losses["b"]}, None, Cut("shared", (surface,))) == {"b": 1.0}
    assert rule.asked == []
    assert rule.gradients is None
    assert_close(below.grad, 9 * below.detach())


def test_a_task_without_a_gradient_here_has_no_say_and_the_weight_one() -> None:
    below, surface, tower, losses = network()
    losses["c"] = tower * 2
    rule = Given(0.5, 2.0)
    told = rule.backward(losses, None, Cut("shared", (surface,)))
    assert told == {"a": 0.5, "b": 2.0, "c": 1.0}
    assert list(rule.asked[0][1]) == ["a", "b"]
    assert_close(tower.grad, surface.detach().sum() + 2)
    assert rule.gradients is not None
    assert rule.gradients.norms["c"] == 0
    assert below.grad is not None


def test_a_gradient_that_is_not_finite_is_left_out_and_the_graph_stays_usable() -> None:
    below, surface, _, losses = network()
    losses["c"] = (surface - surface.detach()).sqrt().sum()
    rule = Given(0.5, 2.0)
    told = rule.backward(losses, None, Cut("shared", (surface,)))
    assert told == {"a": 0.5, "b": 2.0, "c": 0.0}
    assert rule.gradients is not None
    assert rule.gradients.tasks == ("a", "b")
    assert_close(below.grad, 3 * (0.5 * 5.0 + 2.0 * surface.detach()))


def test_what_only_lost_tasks_share_gets_nothing() -> None:
    below, surface, _, losses = network()
    other = torch.ones(2, requires_grad=True)
    broken = (other - other.detach()).sqrt().sum()
    losses |= {"c": broken, "d": 2 * broken}
    told = Given(0.5, 2.0).backward(losses, None, Cut("shared", (surface, other)))
    assert told == {"a": 0.5, "b": 2.0, "c": 0.0, "d": 0.0}
    assert other.grad is None
    assert_close(below.grad, 3 * (0.5 * 5.0 + 2.0 * surface.detach()))


def test_no_hook_is_left_behind() -> None:
    below, _, tower, losses = network()
    Given(3.0, 2.0, surface="parameters").backward(losses, None, Cut("parameters", (below, tower)))
    below.grad = tower.grad = None
    (2 * below.sum() + tower).backward()
    assert_close(below.grad, torch.tensor([2.0, 2.0]))
    assert_close(tower.grad, torch.tensor(1.0))


def test_what_cannot_be_done_is_refused_with_the_way_out() -> None:
    _, surface, tower, losses = network()
    with pytest.raises(ConfigurationError, match=r"Given needs a `cut`: the tensors at which"):
        Given(1.0, 1.0).backward(losses, None)
    message = (
        r"at the surface 'shared' nothing is reached by two of the tasks a, b.*'encoded' or 't"
    )
    with pytest.raises(ConfigurationError, match=message):
        Given(1.0, 1.0).backward(losses, None, Cut("shared", (tower,)))
    with pytest.raises(
        TrainingError, match=r"Given gave weights that are not finite: \{'a': 1.0, "
    ):
        Given(1.0, float("nan")).backward(losses, None, Cut("shared", (surface,)))
    with pytest.raises(
        ConfigurationError, match=r"PCGrad: `surface` is one of 'shared', 'encoded'"
    ):
        PCGrad(surface="trunk")  # type: ignore[arg-type]
