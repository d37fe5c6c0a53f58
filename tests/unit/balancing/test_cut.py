"""Reading gradients at a cut, and what is told of them."""

from __future__ import annotations

import torch

from plait.balancing import Gradients


def test_norms_cosines_and_conflicts_are_read_off_the_gramian() -> None:
    seen = Gradients(
        ("a", "b", "idle"), torch.tensor([[4.0, -3.0, 0.0], [-3.0, 9.0, 0.0], [0.0, 0.0, 0.0]])
    )
    assert seen.norms == {"a": 2.0, "b": 3.0, "idle": 0.0}
    assert seen.cosines == {("a", "b"): -0.5}


def test_conflicts_are_counted_by_group_among_the_tasks_that_reach_it() -> None:
    parts = {
        "low": torch.tensor([[1.0, -1.0, 1.0], [-1.0, 1.0, -1.0], [1.0, -1.0, 1.0]]),
        "high": torch.tensor([[2.0, -1.0, 0.0], [-1.0, 2.0, 0.0], [0.0, 0.0, 0.0]]),
        "own": torch.tensor([[5.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]),
    }
    seen = Gradients(("a", "b", "c"), sum(parts.values(), torch.zeros(3, 3)), parts)
    assert seen.conflicts == {"low": 2 / 3, "high": 1.0}
