"""UW and IMTL-L against torch's Adam on the objectives of the papers."""

from __future__ import annotations

import math

import pytest
import torch

from plait.balancing import IMTLL, UW, TaskFacts
from plait.errors import ConfigurationError

LOSSES = [{"click": 0.7, "watch": 3.0}, {"click": 0.2, "watch": 5.0}, {"click": 0.4, "watch": 1.0}]
FACTS = {
    "click": TaskFacts(observed=1.0, mean=0.3, entropy=0.6),
    "watch": TaskFacts(observed=1.0, mean=9.0),
}


def by_torch(kind: str) -> list[list[float]]:
    """Weights on the losses, as the gradient of the objective; s by `torch.optim.Adam`."""
    s = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([s], lr=0.05)
    found = []
    for losses in LOSSES:
        values = torch.tensor(list(losses.values()), dtype=torch.float64, requires_grad=True)
        if kind == "UW":  # the classifier without the first half
            total = (torch.tensor([1.0, 0.5]) * (-s).exp() * values + s / 2).sum()
        else:
            total = (s.exp() * values - s).sum()
        adam.zero_grad()
        total.backward()
        adam.step()
        assert values.grad is not None
        found.append(values.grad.tolist())
    return found


@pytest.mark.parametrize("rule", [UW(learning_rate=0.05), IMTLL(learning_rate=0.05)])
def test_weights_are_those_of_the_papers_objective(rule: UW | IMTLL) -> None:
    rule.prepare(FACTS)
    for losses, expected in zip(LOSSES, by_torch(type(rule).__name__), strict=True):
        assert list(rule.weigh(losses).values()) == pytest.approx(expected, abs=1e-10)


def test_a_task_that_is_absent_keeps_its_number() -> None:
    rule, never = UW(learning_rate=0.05), UW(learning_rate=0.05)
    for each in (rule, never):
        each.prepare(FACTS)
    rule.weigh({"click": 0.7})
    for losses in LOSSES:
        expected = never.weigh(losses)["watch"]
        assert rule.weigh(losses)["watch"] == expected


@pytest.mark.parametrize("rule", [UW(learning_rate=1.0), IMTLL(learning_rate=1.0)])
def test_a_rare_event_cannot_drive_its_weight_to_infinity(rule: UW | IMTLL) -> None:
    rule.prepare(FACTS)
    for _ in range(50):
        weights = rule.weigh({"click": 1e-9, "watch": 1e9})
    assert weights["click"] == pytest.approx(math.exp(5))
    assert 0 < weights["watch"] <= math.exp(-4)


@pytest.mark.parametrize("rule", [UW, IMTLL])
def test_a_rate_must_be_positive(rule: type[UW | IMTLL]) -> None:
    with pytest.raises(ConfigurationError, match=r"`learning_rate` must be above 0, got 0"):
        rule(learning_rate=0)
