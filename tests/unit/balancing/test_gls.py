"""The geometric mean, against its gradient by torch."""

from __future__ import annotations

import pytest
import torch

from plait.balancing import GLS
from plait.errors import TrainingError


def test_weights_are_the_gradient_of_the_geometric_mean_times_the_tasks() -> None:
    values = [0.03, 4.0, 700.0]
    losses = torch.tensor(values, dtype=torch.float64, requires_grad=True)
    losses.prod().pow(1 / 3).backward()
    assert losses.grad is not None
    found = GLS().weigh(dict(zip("abc", values, strict=True)))
    assert list(found.values()) == pytest.approx((3 * losses.grad).tolist(), rel=1e-12)


def test_scaling_a_loss_leaves_the_direction() -> None:
    before, after = GLS().weigh({"a": 0.3, "b": 2.0}), GLS().weigh({"a": 300.0, "b": 2.0})
    # The gradient of `a` is a thousand times as long: its part of the step must stay.
    assert 1000 * after["a"] / after["b"] == pytest.approx(before["a"] / before["b"], rel=1e-12)


def test_a_loss_of_zero_is_bounded_and_a_negative_one_refused() -> None:
    assert GLS().weigh({"a": 0.0, "b": 1.0})["a"] == pytest.approx(1e4)
    with pytest.raises(TrainingError, match=r"GLS takes losses of at least 0, and that of 'a' was"):
        GLS().weigh({"a": -0.5, "b": 1.0})
