"""Reading gradients at a cut, and what is told of them."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from plait.balancing import Gradients
from plait.balancing.cut import gramian, read_gradients, shared_places


def test_what_two_losses_reach_is_shared() -> None:
    one, two, three = (torch.ones(2, requires_grad=True) for _ in range(3))
    losses = {
        "a": one.sum() + 2 * two.sum(),
        "b": -one.sum(),
        "constant": torch.tensor(1.0),
    }
    found = read_gradients(losses, (one, two, three))
    assert shared_places(found) == [0]
    assert found["constant"] == (None, None, None)
    assert_close(
        gramian(found, [0, 1]), torch.tensor([[10.0, -2, 0], [-2, 2, 0], [0, 0, 0]]).double()
    )
    losses["a"].backward()  # the graph is still there


def test_half_precision_is_added_up_in_float32() -> None:
    rows = {"a": (torch.full((4096,), 0.1, dtype=torch.bfloat16),)}
    exact = 4096 * float(rows["a"][0][0]) ** 2
    assert gramian(rows, [0]).item() == pytest.approx(exact, rel=1e-5)


def test_norms_cosines_and_conflicts_are_read_off_the_gramian() -> None:
    seen = Gradients(
        ("a", "b", "idle"), torch.tensor([[4.0, -3.0, 0.0], [-3.0, 9.0, 0.0], [0.0, 0.0, 0.0]])
    )
    assert seen.norms == {"a": 2.0, "b": 3.0, "idle": 0.0}
    assert seen.cosines == {("a", "b"): -0.5}
