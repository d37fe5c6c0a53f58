"""A target and its helpers: the paper's formula, and torchjd's solver."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.unit.balancing.reference import gradients
from tests.unit.balancing.weighing import direction, weights
from torchjd import aggregation

from plait.balancing import PCD, MetaBalance, TaskFacts
from plait.errors import ConfigurationError, UnknownNameError

FACT = TaskFacts(observed=1.0, mean=0.5)


def test_metabalance_brings_helpers_to_the_moving_length_of_the_target() -> None:
    rule = MetaBalance(target="b", beta=0.9, r=0.7)
    moving = np.zeros(3)
    for step in range(6):
        g = gradients(3, 5, seed=step)
        moving = 0.9 * moving + 0.1 * np.linalg.norm(g, axis=1)
        expected = 0.7 * moving[1] / moving + 0.3
        expected[1] = 1.0
        assert weights(rule, g) == pytest.approx(expected, abs=1e-10)


def test_metabalance_without_the_target_uses_its_last_length() -> None:
    rule = MetaBalance(target="b", beta=0.0, r=1.0)
    alone = torch.diag(torch.tensor([4.0, 9.0], dtype=torch.float64))
    assert rule.weigh(alone, {"a": 1.0, "c": 1.0}).tolist() == [1.0, 1.0]
    rule.weigh(alone, {"a": 1.0, "b": 1.0})
    assert rule.weigh(alone, {"a": 1.0, "c": 1.0}).tolist() == pytest.approx([1.5, 1.0])


@pytest.mark.parametrize("tasks", [2, 3, 5])
@pytest.mark.parametrize("tau", [0.0, 0.02, 0.3])
def test_pcd_is_torchjds(tasks: int, tau: float) -> None:
    ours = PCD(target="a", tau=tau, beta=0.9)
    theirs = aggregation.PCD(tau=tau, beta=0.9)
    for step in range(6):
        g = gradients(tasks, 4 * tasks, seed=10 * tasks + step)
        expected = theirs(torch.from_numpy(g)).numpy()
        assert direction(ours, g) == pytest.approx(expected, abs=1e-8)


def test_pcd_grants_every_helper_its_part() -> None:
    g = np.array([[1.0, 0.0], [-0.8, 0.6]])
    d = direction(PCD(target="a", tau=0.1, beta=0.0), g)
    assert np.linalg.norm(d) == pytest.approx(1.0)
    # Before it is made as long as the target's gradient, g_2 · d is τ |g_2|².
    assert g[1] @ d > 0
    unscaled = g[0] + (0.1 - g[0] @ g[1]) * g[1]
    assert d == pytest.approx(unscaled / np.linalg.norm(unscaled), abs=1e-6)


def test_pcd_follows_the_target_where_the_others_cannot_all_gain() -> None:
    g = np.array([[1.0, 0.0], [0.0, 2.0], [0.0, -2.0]])
    assert direction(PCD(target="a"), g) == pytest.approx(g[0], abs=1e-6)
    assert weights(PCD(target="z"), g) == pytest.approx(np.ones(3))


def test_pcd_stands_still_where_the_target_and_a_helper_are_opposed() -> None:
    g = np.array([[1.0, 0.0], [-3.0, 0.0]])
    assert direction(PCD(target="a", tau=0.0), g) == pytest.approx(np.zeros(2), abs=1e-6)


@pytest.mark.parametrize("kind", [MetaBalance, PCD])
def test_a_target_needs_to_be_a_task_and_to_have_help(kind: type[MetaBalance | PCD]) -> None:
    where = rf"There is no task 'bye' in `target` of {kind.__name__}\. Did you mean 'buy'"
    with pytest.raises(UnknownNameError, match=where):
        kind(target="bye").prepare({"buy": FACT, "click": FACT})
    with pytest.raises(ConfigurationError, match=r"and there is no other task\. Add one, or take"):
        kind(target="buy").prepare({"buy": FACT})
    with pytest.raises(ConfigurationError, match=r"`beta` must lie in \[0, 1\), got 1\.0\."):
        kind(target="buy", beta=1.0)


def test_settings_must_make_sense() -> None:
    with pytest.raises(ConfigurationError, match=r"PCD: `tau` must lie in \[0, 1\], got 2"):
        PCD(target="a", tau=2)
    with pytest.raises(ConfigurationError, match=r"MetaBalance: `r` must be at least 0, got -1"):
        MetaBalance(target="a", r=-1)
