"""GradNorm against the algorithm of the paper."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.unit.balancing.reference import GradNormReference, gradients
from tests.unit.balancing.weighing import weights

from plait.balancing import GradNorm
from plait.errors import ConfigurationError


@pytest.mark.parametrize("alpha", [0.0, 1.5])
def test_it_is_the_algorithm_of_the_paper(alpha: float) -> None:
    rule = GradNorm(alpha=alpha, learning_rate=0.05)
    literal = GradNormReference(3, alpha=alpha, learning_rate=0.05)
    rng = np.random.default_rng(0)
    for step in range(20):
        g = gradients(3, 5, seed=step)
        losses = rng.uniform(0.1, 2.0, 3)
        assert weights(rule, g, losses) == pytest.approx(literal.step(g, losses), abs=1e-10)


def test_in_the_end_all_tasks_pull_alike() -> None:
    g = np.array([[4.0, 0.0], [0.0, 1.0]])
    rule = GradNorm(alpha=0.0)
    for _ in range(200):
        found = weights(rule, g)
    assert found == pytest.approx([0.4, 1.6], abs=0.05)


def test_an_absent_task_keeps_its_weight_and_the_others_their_sum() -> None:
    rule = GradNorm(learning_rate=0.1)
    g = gradients(3, 5, seed=0)
    for _ in range(3):
        before = weights(rule, g)
    before = weights(rule, g)
    pair = torch.from_numpy(g[:2] @ g[:2].T)
    rule.weigh(pair, {"a": 1.0, "b": 1.0})
    after = rule.weigh(pair, {"a": 1.0, "b": 1.0}).numpy()
    state = rule.state_dict()["weights"]
    assert sum(entry[0] for entry in state.values()) == pytest.approx(3)
    assert after.sum() + state["c"][0] == pytest.approx(3)
    assert not np.allclose(after, before[:2])


def test_settings_must_make_sense() -> None:
    with pytest.raises(ConfigurationError, match=r"GradNorm: `alpha` must be at least 0, got -1"):
        GradNorm(alpha=-1)
    with pytest.raises(ConfigurationError, match=r"GradNorm: `learning_rate` must be above 0"):
        GradNorm(learning_rate=0)
