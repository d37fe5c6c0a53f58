"""Adam on numbers of tasks, against torch's."""

from __future__ import annotations

import json

import pytest
import torch

from plait.balancing.adam import TaskAdam

SLOPES = [0.3, -2.0, 0.0, 5.0, 0.01]


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_it_moves_as_torchs_does(decay: float) -> None:
    ours = TaskAdam(learning_rate=0.1, start=2.0, weight_decay=decay)
    theirs = torch.tensor([2.0], dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([theirs], lr=0.1, weight_decay=decay)
    for slope in SLOPES:
        ours.step({"a": slope})
        theirs.grad = torch.tensor([slope], dtype=torch.float64)
        adam.step()
        assert ours["a"] == pytest.approx(theirs.item(), abs=1e-12)


def test_a_step_without_a_task_has_not_been_for_it() -> None:
    whole, with_gaps = TaskAdam(learning_rate=0.1), TaskAdam(learning_rate=0.1)
    for slope in SLOPES:
        whole.step({"a": slope, "b": 1.0})
        with_gaps.step({"b": 1.0})
        with_gaps.step({"a": slope})
    assert with_gaps["a"] == whole["a"]


def test_its_state_goes_through_json_and_it_can_begin_anew() -> None:
    one, other = TaskAdam(learning_rate=0.1), TaskAdam(learning_rate=0.1)
    one.step({"a": 0.3})
    other.load_state_dict(json.loads(json.dumps(one.state_dict())))
    for each in (one, other):
        each.step({"a": -0.7})
    assert one["a"] == other["a"]
    one.clear()
    assert one["a"] == 0.0
