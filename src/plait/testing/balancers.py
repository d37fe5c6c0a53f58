"""What every balancer must do."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.testing import assert_close

from plait.balancing import Balancer, TaskFacts

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


def _losses() -> tuple[Tensor, dict[str, Tensor]]:
    point = torch.tensor([1.0, -2.0, 3.0], requires_grad=True)
    return point, {"click": point.square().sum() / 2, "like": point.sum()}
