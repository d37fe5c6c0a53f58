"""Weights that stay as they are, against hand-worked entropies and a plain backward pass."""

from __future__ import annotations

import math

import pytest
import torch
from torch.testing import assert_close

from plait.balancing import Balancer, BaseRate, Equal, Fixed, TaskFacts
from plait.errors import TaskError, UnknownNameError

FACTS = {
    "click": TaskFacts(observed=1.0, mean=0.5, entropy=math.log(2)),
    "buy": TaskFacts(observed=0.5, mean=0.25, entropy=0.25 * math.log(4) + 0.75 * math.log(4 / 3)),
    "rating": TaskFacts(observed=1.0, mean=3.5),
}


def gradient_of(balancer: Balancer, *, penalty: bool = False) -> torch.Tensor:
    """Gradient of the balanced losses 1 x, 2 x^2 and 3 x^3 at x = 2, by the three tasks."""
    x = torch.tensor(2.0, requires_grad=True)
    losses = {"click": 1 * x, "buy": 2 * x**2, "rating": 3 * x**3}
    balancer.backward(losses, 100 * x if penalty else None)
    assert x.grad is not None
    return x.grad


def test_equal_weights_are_a_plain_backward_pass_of_the_sum() -> None:
    x = torch.tensor(2.0, requires_grad=True)
    (1 * x + 2 * x**2 + 3 * x**3).backward()
    assert x.grad is not None
    assert torch.equal(gradient_of(Equal()), x.grad)
    assert torch.equal(gradient_of(Fixed(weights=dict.fromkeys(FACTS, 1.0))), x.grad)


def test_no_weight_touches_the_penalty() -> None:
    fixed = Fixed(weights={"click": 1.0, "buy": 0.0, "rating": 0.0})
    assert_close(gradient_of(fixed, penalty=True), torch.tensor(101.0))


def test_the_weights_in_effect_are_told() -> None:
    x = torch.tensor(1.0, requires_grad=True)
    assert Fixed(weights={"a": 0.5, "b": 0.0}).backward({"a": x, "b": x}, None) == {
        "a": 0.5,
        "b": 0.0,
    }


def test_a_batch_without_losses_is_harmless() -> None:
    assert Equal().backward({}, None) == {}
    x = torch.tensor(1.0, requires_grad=True)
    assert Fixed(weights={"a": 1.0, "b": 0.0}).backward({"b": x}, None) == {"b": 0.0}
    assert x.grad is None


@pytest.mark.parametrize("weights", [{"a": -1.0, "b": 1.0}, {"a": 0.0}, {}, {"a": math.nan}])
def test_fixed_weights_must_make_sense(weights: dict[str, float]) -> None:
    with pytest.raises(TaskError, match="`weights` must be at least 0, one of them positive; got"):
        Fixed(weights=weights)


def test_fixed_weights_must_match_the_tasks() -> None:
    with pytest.raises(UnknownNameError, match="There is no weight for task 'rating'"):
        Fixed(weights={"click": 1.0, "buy": 1.0}).prepare(FACTS)
    with pytest.raises(UnknownNameError, match=r"no task 'clik' in `weights`\. Did you mean 'cli"):
        Fixed(weights={**dict.fromkeys(FACTS, 1.0), "clik": 1.0}).prepare(FACTS)


def test_base_rate_divides_by_the_entropy() -> None:
    rule = BaseRate()
    rule.prepare(FACTS)
    assert math.isclose(rule.weight("click"), 1 / 0.6931471805599453)
    assert math.isclose(rule.weight("buy"), 1 / 0.5623351446188083)
    assert rule.weight("rating") == 1.0


def test_a_constant_label_has_the_weight_one() -> None:
    rule = BaseRate()
    rule.prepare({"click": TaskFacts(observed=1.0, mean=1.0, entropy=0.0)})
    assert rule.weight("click") == 1.0


@pytest.mark.parametrize("balancer", [Equal(), BaseRate(), Fixed(weights={"a": 1.0})])
def test_static_balancers_have_nothing_to_save(balancer: Balancer) -> None:
    assert balancer.state_dict() == {}
    balancer.load_state_dict({})
