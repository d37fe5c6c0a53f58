"""Smooth Tchebycheff, against its gradient by torch."""

from __future__ import annotations

import pytest
import torch

from plait.balancing import STCH
from plait.errors import ConfigurationError, TrainingError


def test_weights_are_the_gradient_of_the_smooth_maximum_times_the_tasks() -> None:
    rule = STCH(mu=0.3, warmup=2)
    for losses in ({"a": 1.0, "b": 10.0}, {"a": 3.0, "b": 20.0}):
        assert rule.weigh(losses) == {"a": 1.0, "b": 1.0}
    values = torch.tensor([1.5, 6.0], dtype=torch.float64, requires_grad=True)
    means = torch.tensor([2.0, 15.0], dtype=torch.float64)
    (0.3 * torch.logsumexp(values / means / 0.3, dim=0)).backward()
    assert values.grad is not None
    found = rule.weigh({"a": 1.5, "b": 6.0})
    assert list(found.values()) == pytest.approx((2 * values.grad).tolist(), abs=1e-12)


def test_a_task_takes_part_when_its_own_warm_up_is_over() -> None:
    rule = STCH(warmup=1)
    rule.weigh({"a": 4.0})
    assert rule.weigh({"a": 4.0, "b": 9.0}) == {"a": pytest.approx(0.25), "b": 1.0}
    assert rule.weigh({"a": 4.0, "b": 9.0})["b"] == pytest.approx(1 / 9)


def test_it_refuses_what_it_cannot_take() -> None:
    with pytest.raises(ConfigurationError, match=r"STCH: `mu` must be above 0"):
        STCH(mu=0.0)
    with pytest.raises(TrainingError, match=r"STCH takes losses of at least 0"):
        STCH().weigh({"a": -1.0})
