"""A preference on top of a rule: weights by hand, longer gradients, rays that are drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.unit.balancing.reference import conflicting_triple, upgrad
from torch import Tensor

from plait.balancing import (
    GLS,
    MGDA,
    RLW,
    STCH,
    UW,
    Balancer,
    BaseRate,
    CAGrad,
    Cut,
    DualProj,
    Equal,
    FairGrad,
    PCGrad,
    Rays,
    TaskFacts,
    UPGrad,
    Weighted,
)
from plait.errors import ConfigurationError, TaskError, UnknownNameError

FACTS = {name: TaskFacts(observed=1.0, mean=0.2, entropy=0.5) for name in "abc"}
WORTH = {"a": 2.0, "b": 0.5, "c": 1.0}


def losses(values: Mapping[str, float]) -> tuple[Tensor, dict[str, Tensor]]:
    point = torch.zeros(len(values), dtype=torch.float64, requires_grad=True)
    return point, {n: point[k] + v for k, (n, v) in enumerate(values.items())}


def stepped(rule: Balancer, g: NDArray[np.float64]) -> NDArray[np.float64]:
    """The gradient of one step on losses with these gradients."""
    rule.prepare(FACTS)
    point = torch.zeros(g.shape[1], dtype=torch.float64, requires_grad=True)
    found = {n: 1 + (torch.from_numpy(row) * point).sum() for n, row in zip("abc", g, strict=True)}
    rule.backward(found, None, Cut("parameters", (point,)))
    assert point.grad is not None
    return point.grad.numpy()


@pytest.mark.parametrize("rule", [Equal(), BaseRate(), RLW(), GLS(), UW()], ids=type)
def test_weights_of_losses_are_multiplied(rule: Balancer) -> None:
    values = {"a": 0.5, "b": 2.0, "c": 1.0}
    plain = type(rule)()
    for one in (plain, wrapped := Weighted(weights=WORTH, rule=rule)):
        one.prepare(FACTS)
    point, found = losses(values)
    told = wrapped.backward(found, None)
    alone = plain.backward(losses(values)[1], None)
    assert told == pytest.approx({task: WORTH[task] * alone[task] for task in values})
    assert point.grad is not None
    assert point.grad.tolist() == pytest.approx(list(told.values()))


@pytest.mark.parametrize("kind", [MGDA, FairGrad])
def test_weights_of_gradients_are_multiplied(kind: type[MGDA | FairGrad]) -> None:
    g = conflicting_triple()
    plain = kind(surface="parameters")
    stepped(plain, g)
    weights = plain.weigh(torch.from_numpy(g @ g.T), dict.fromkeys("abc", 1.0)).numpy()
    found = stepped(Weighted(weights=WORTH, rule=kind(surface="parameters")), g)
    assert found == pytest.approx((weights * np.array([2.0, 0.5, 1.0])) @ g, abs=1e-9)


def test_rules_that_hear_scale_see_longer_gradients_and_still_harm_no_task() -> None:
    g = conflicting_triple()
    longer = g * np.array([[2.0], [0.5], [1.0]])
    found = stepped(Weighted(weights=WORTH, rule=UPGrad(surface="parameters")), g)
    assert found == pytest.approx(3 * upgrad(longer), abs=1e-2)  # to what its ridge leaves
    assert (g @ found).min() > -1e-2
    for kind in (PCGrad, CAGrad, UPGrad, DualProj):
        found = stepped(Weighted(weights=WORTH, rule=kind(surface="parameters")), g)
        assert found == pytest.approx(stepped(kind(surface="parameters"), longer), abs=1e-9)


def test_a_task_that_is_worth_nothing_has_no_say_in_rules_that_hear_scale() -> None:
    g = conflicting_triple()
    worth = {"a": 1.0, "b": 1.0, "c": 0.0}
    found = stepped(Weighted(weights=worth, rule=CAGrad(surface="parameters")), g)
    point = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    two = {n: (torch.from_numpy(row) * point).sum() for n, row in zip("ab", g[:2], strict=True)}
    CAGrad(surface="parameters").backward(two, None, Cut("parameters", (point,)))
    assert point.grad is not None
    assert found == pytest.approx(point.grad.numpy(), abs=1e-9)
    alone = stepped(
        Weighted(weights={"a": 3.0, "b": 0.0, "c": 0.0}, rule=PCGrad(surface="parameters")), g
    )
    assert alone == pytest.approx(3 * g[0])


def test_stch_takes_the_preference_as_the_paper_does() -> None:
    """Lin et al.: the gradient of `μ log Σ exp(λ_k f_k / μ)`, times K."""
    values, mu = {"a": 0.5, "b": 2.0, "c": 1.0}, 0.3
    rule = Weighted(weights=WORTH, rule=STCH(mu=mu, warmup=1))
    rule.prepare(FACTS)
    rule.backward(losses({"a": 1.0, "b": 4.0, "c": 0.5})[1], None)
    told = rule.backward(losses(values)[1], None)
    f = np.array([0.5 / 1.0, 2.0 / 4.0, 1.0 / 0.5])
    worth = np.array([2.0, 0.5, 1.0])
    exponents = np.exp(worth * f / mu)
    slope = worth * exponents / exponents.sum() / np.array([1.0, 4.0, 0.5])
    assert list(told.values()) == pytest.approx(3 * slope, rel=1e-10)


def test_a_task_alone_in_a_batch_keeps_its_preference() -> None:
    rule = Weighted(weights=WORTH, rule=FairGrad())
    rule.prepare(FACTS)
    _, found = losses({"a": 1.0})
    assert rule.backward(found, None) == {"a": 2.0}


def test_rays_are_drawn_anew_each_step_and_again_alike() -> None:
    rule, again = Rays(), Rays()
    rule.prepare(FACTS)
    again.prepare(FACTS)
    rays = [rule.draw() for _ in range(400)]
    assert all(math.isclose(sum(ray.values()), 1) for ray in rays)
    assert np.mean([ray["a"] for ray in rays]) == pytest.approx(1 / 3, abs=0.04)
    assert np.std([ray["a"] for ray in rays]) == pytest.approx(math.sqrt(1 / 18), abs=0.03)
    again.load_state_dict({"steps": 399, "rule": {}})
    assert again.draw() == rays[-1]
    other = Rays(seed=1)
    other.prepare(FACTS)
    assert other.draw() != rays[0]


def test_a_step_is_weighed_by_its_ray() -> None:
    rule = Rays(rule=GLS())
    rule.prepare(FACTS)
    for values in ({"a": 0.5, "b": 2.0, "c": 1.0}, {"a": 1.0, "c": 1.0}):
        ray = rule.draw()
        told = rule.backward(losses(values)[1], None)
        alone = GLS().weigh(values)
        assert told == pytest.approx({task: 3 * ray[task] * alone[task] for task in values})


def test_what_the_other_rule_needs_is_told() -> None:
    rule = Rays(rule=MGDA(surface="encoded"))
    assert (rule.surface, rule.needs_gradients, rule.draws_preferences) == ("encoded", True, True)
    assert Weighted(weights=WORTH).draw() is None
    with pytest.raises(ConfigurationError, match=r"Rays: `rule` is Weighted, which has a preferen"):
        Rays(rule=Weighted(weights=WORTH))
    with pytest.raises(ConfigurationError, match=r"Rays: `concentration` must be above 0, got 0"):
        Rays(concentration=0.0)
    with pytest.raises(TaskError, match=r"`weights` must be at least 0, one of them positive"):
        Weighted(weights={"a": -1.0})
    with pytest.raises(UnknownNameError, match=r"There is no weight for task 'c'"):
        Weighted(weights={"a": 1.0, "b": 1.0}).prepare(FACTS)
    with pytest.raises(UnknownNameError, match=r"There is no task 'z' in `weights`"):
        Weighted(weights={**WORTH, "z": 1.0}).prepare(FACTS)
