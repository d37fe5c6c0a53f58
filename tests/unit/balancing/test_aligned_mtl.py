"""Aligned gradients: the paper's algorithm, and torchjd's own aggregator."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.unit.balancing.reference import aligned_mtl, conflicting_triple, cosine, gradients
from tests.unit.balancing.weighing import direction, weights
from torchjd.aggregation import AlignedMTL as TheirAlignedMTL

from plait.balancing import AlignedMTL


@pytest.mark.parametrize("tasks", [2, 3, 5])
@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_algorithm_of_the_paper(tasks: int, seed: int) -> None:
    g = gradients(tasks, 20, seed=seed)
    assert weights(AlignedMTL(), g) == pytest.approx(tasks * aligned_mtl(g), abs=1e-10)


def test_it_is_torchjds_aggregator() -> None:
    g = conflicting_triple()
    theirs = TheirAlignedMTL()(torch.from_numpy(g)).numpy()
    assert direction(AlignedMTL(), g) == pytest.approx(3 * theirs, abs=1e-10)


def test_tasks_that_are_one_do_not_bring_rounding_to_power() -> None:
    g = np.array([[1.0, 2.0], [1.0, 2.0 + 1e-7]])
    assert cosine(direction(AlignedMTL(), g), g[0]) == pytest.approx(1, abs=1e-9)
    assert weights(AlignedMTL(), g) == pytest.approx(np.ones(2), abs=1e-5)
