"""Means of what balancing did between two evaluations."""

from __future__ import annotations

import json

import torch

from plait.balancing import Gradients
from plait.training.balance import BalanceLog

STEPS = [
    (
        {"a": 1.0, "b": 3.0},
        Gradients(
            ("a", "b"),
            torch.tensor([[4.0, -2.0], [-2.0, 4.0]]),
            {
                "low": torch.tensor([[3.0, -3.0], [-3.0, 3.0]]),
                "high": torch.tensor([[1.0, 1.0], [1.0, 1.0]]),
            },
        ),
    ),
    (
        {"a": 2.0, "b": 1.0},
        Gradients(
            ("a", "b"),
            torch.tensor([[16.0, 4.0], [4.0, 4.0]]),
            {"low": torch.tensor([[16.0, 4.0], [4.0, 4.0]])},
        ),
    ),
    ({"a": 3.0}, None),
]


def test_means_count_the_steps_in_which_something_was_there() -> None:
    log = BalanceLog()
    for weights, gradients in STEPS:
        log.add(weights, gradients)
    assert log.close().to_json() == {
        "weights": {"a": 2.0, "b": 2.0},
        "norms": {"a": 3.0, "b": 2.0},
        "cosines": {"a": {"b": 0.0}},
        "conflicts": {"a": {"b": 0.5}},
        "groups": {"low": 0.5, "high": 0.0},
    }
    assert log.close().weights == {}


def test_its_sums_go_through_json() -> None:
    log, again = BalanceLog(), BalanceLog()
    log.add(*STEPS[0])
    again.load_state_dict(json.loads(json.dumps(log.state_dict())))
    for each in (log, again):
        each.add(*STEPS[1])
    assert log.close() == again.close()
