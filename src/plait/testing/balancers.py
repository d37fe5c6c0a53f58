"""What every balancer must do."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.testing import assert_close

from plait.balancing import Balancer, Cut, GradientBalancer, TaskFacts

FACTS = {
    "click": TaskFacts(observed=1.0, mean=0.2, entropy=0.5),
    "like": TaskFacts(observed=0.1, mean=0.01, entropy=0.056),
}


class BalancerContract(ABC):
    """Weights in effect, absent tasks, the penalty, and a state that can be resumed.

    Stability: experimental.
    """

    @abstractmethod
    def make(self) -> Balancer:
        """The balancer for the tasks `click` and `like`."""

    def test_weights_are_finite_and_not_negative_and_gradients_follow_them(self) -> None:
        """The gradient is the sum of the tasks' gradients by the weights that it tells."""
        balancer = self._prepared()
        point, losses = _losses()
        weights = balancer.backward(losses, None)
        assert set(weights) == {"click", "like"}
        assert all(0 <= weight < float("inf") for weight in weights.values())
        assert_close(point.grad, weights["click"] * point.detach() + weights["like"])

    def test_an_absent_task_is_harmless(self) -> None:
        """A batch without one of the tasks trains the other."""
        balancer = self._prepared()
        point, losses = _losses()
        weights = balancer.backward({"like": losses["like"]}, None)
        assert set(weights) == {"like"}
        assert_close(point.grad, torch.full_like(point, weights["like"]))

    def test_the_penalty_is_added_as_it_is(self) -> None:
        """No weight touches it, even where no task is left."""
        balancer = self._prepared()
        point, _ = _losses()
        balancer.backward({}, point.sum())
        assert_close(point.grad, torch.ones_like(point))

    def test_its_state_goes_through_json(self) -> None:
        """A resumed run weighs as one that was never stopped."""
        balancer, again = self._prepared(), self._prepared()
        for _ in range(3):
            balancer.backward(_losses()[1], None)
        again.load_state_dict(json.loads(json.dumps(balancer.state_dict())))
        assert balancer.backward(_losses()[1], None) == again.backward(_losses()[1], None)

    def _prepared(self) -> Balancer:
        balancer = self.make()
        balancer.prepare(FACTS)
        return balancer


class GradientBalancerContract(ABC):
    """What a rule that reads gradients must do, on a point that two losses reach.

    Weights may be negative, and what a single task reaches is not weighed.

    Stability: experimental.
    """

    @abstractmethod
    def make(self) -> GradientBalancer:
        """The balancer for the tasks `click` and `like`, on the surface `parameters`."""

    def test_the_gradient_follows_the_weights_that_it_tells(self) -> None:
        """The shared gradient is the sum of the tasks' gradients by these weights."""
        balancer = self._prepared()
        for _ in range(3):
            point, losses = _losses()
            weights = balancer.backward(losses, None, _cut(point))
            assert set(weights) == {"click", "like"}
            assert all(-float("inf") < weight < float("inf") for weight in weights.values())
            assert_close(point.grad, weights["click"] * point.detach() + weights["like"])

    def test_what_one_task_alone_reaches_has_its_plain_gradient(self) -> None:
        """A tower learns from its loss as it is, whatever the weights."""
        balancer = self._prepared()
        point, losses = _losses()
        tower = torch.tensor(2.0, requires_grad=True)
        losses["like"] = losses["like"] + 3 * tower
        balancer.backward(losses, None, Cut("parameters", (point, tower)))
        assert_close(tower.grad, torch.tensor(3.0))

    def test_an_absent_task_is_harmless(self) -> None:
        """A batch without one of the tasks trains the other, as plainly as may be."""
        balancer = self._prepared()
        point, losses = _losses()
        assert balancer.backward({"like": losses["like"]}, None, _cut(point)) == {"like": 1.0}
        assert_close(point.grad, torch.ones_like(point))

    def test_a_gradient_that_is_not_finite_is_left_out(self) -> None:
        """Its task has the weight 0 in this step; the other is trained."""
        balancer = self._prepared()
        point, losses = _losses()
        losses["click"] = (point - point.detach()).abs().sqrt().sum()  # 0, with an infinite slope
        weights = balancer.backward(losses, None, _cut(point))
        assert weights == {"click": 0.0, "like": 1.0}
        assert_close(point.grad, torch.ones_like(point))

    def test_the_penalty_is_added_as_it_is(self) -> None:
        """No weight touches it, even where no task is left."""
        balancer = self._prepared()
        point, _ = _losses()
        balancer.backward({}, point.sum(), _cut(point))
        assert_close(point.grad, torch.ones_like(point))
        both = []
        for penalty in (False, True):
            balancer = self._prepared()
            point, losses = _losses()
            balancer.backward(losses, 5 * point.sum() if penalty else None, _cut(point))
            both.append(point.grad)
        assert both[0] is not None
        assert_close(both[1], both[0] + 5)

    def test_its_state_goes_through_json(self) -> None:
        """A resumed run weighs as one that was never stopped; a new run as the first one."""
        balancer, again = self._prepared(), self._prepared()

        def step(rule: GradientBalancer) -> dict[str, float]:
            point, losses = _losses()
            return rule.backward(losses, None, _cut(point))

        first = [step(balancer) for _ in range(3)]
        again.load_state_dict(json.loads(json.dumps(balancer.state_dict())))
        assert step(balancer) == step(again)
        balancer.prepare(FACTS)
        assert [step(balancer) for _ in range(3)] == first

    def _prepared(self) -> GradientBalancer:
        balancer = self.make()
        balancer.prepare(FACTS)
        return balancer


def _cut(point: Tensor) -> Cut:
    return Cut("parameters", (point,))


def _losses() -> tuple[Tensor, dict[str, Tensor]]:
    point = torch.tensor([1.0, -2.0, 3.0], requires_grad=True)
    return point, {"click": point.square().sum() / 2, "like": point.sum()}
