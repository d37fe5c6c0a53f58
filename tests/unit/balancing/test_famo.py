"""FAMO against torch: the step's objective, and Adam on the logits after the second look."""

from __future__ import annotations

import math

import pytest
import torch

from plait.balancing import FAMO
from plait.errors import ConfigurationError, TrainingError

BEFORE = [[0.7, 3.0, 0.02], [0.6, 2.5, 0.03], [0.65, 2.6, 0.01]]
AFTER = [[0.69, 2.4, 0.021], [0.58, 2.4, 0.02], [0.66, 2.6, 0.009]]


def test_it_follows_algorithm_two_of_the_paper() -> None:
    rule = FAMO(learning_rate=0.1, weight_decay=0.01)
    xi = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([xi], lr=0.1, weight_decay=0.01)
    for before, after in zip(BEFORE, AFTER, strict=True):
        losses = torch.tensor(before, dtype=torch.float64, requires_grad=True)
        z = torch.softmax(xi, dim=0)
        c = 1 / (z / (losses + 1e-8)).sum()
        (c.detach() * (z.detach() * (losses + 1e-8).log()).sum()).backward()
        assert losses.grad is not None
        found = rule.weigh(dict(zip("abc", before, strict=True)))
        assert list(found.values()) == pytest.approx((3 * losses.grad).tolist(), abs=1e-10)
        rule.after_step(dict(zip("abc", after, strict=True)))
        fall = (losses.detach() + 1e-8).log() - (
            torch.tensor(after, dtype=torch.float64) + 1e-8
        ).log()
        adam.zero_grad()
        torch.softmax(xi, dim=0).backward(fall)
        adam.step()


def test_a_task_that_fell_less_gets_more_weight() -> None:
    rule = FAMO()
    for _ in range(5):
        weights = rule.weigh({"a": 1.0, "b": 1.0})
        rule.after_step({"a": 0.5, "b": 1.0})
    assert weights["b"] > weights["a"]


def test_an_absent_task_keeps_its_logit_and_a_lost_look_is_no_look() -> None:
    rule = FAMO()
    rule.weigh({"a": 1.0, "b": 1.0})
    rule.after_step({"a": 0.5, "b": 1.0})
    state = rule.state_dict()
    rule.weigh({"a": 1.0, "c": 1.0})
    rule.after_step({"a": 0.5, "c": 1.0})
    assert rule.state_dict()["b"] == state["b"]
    state = rule.state_dict()
    rule.weigh({"a": 1.0, "b": 1.0})
    rule.after_step({"a": math.nan, "c": 2.0})
    assert rule.state_dict() == state
    rule.after_step({"a": 1.0, "b": 2.0})  # without a first look there is no second
    assert rule.state_dict() == state


def test_it_refuses_what_it_cannot_take() -> None:
    with pytest.raises(ConfigurationError, match=r"FAMO: `weight_decay` must be at least 0"):
        FAMO(weight_decay=-1.0)
    with pytest.raises(
        TrainingError, match=r"FAMO takes losses of at least 0, and that of 'b' was -2"
    ):
        FAMO().weigh({"a": 1.0, "b": -2.0})
