"""Equal projections: the paper's closed form, and torchjd's own aggregator."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.unit.balancing.reference import conflicting_triple, cosine, gradients, imtl_g
from tests.unit.balancing.weighing import direction, weights
from torchjd import aggregation

from plait.balancing import IMTLG


@pytest.mark.parametrize("tasks", [2, 3, 5])
@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_closed_form_of_the_paper(tasks: int, seed: int) -> None:
    g = gradients(tasks, 20, seed=seed)
    paper = imtl_g(g)
    onward = np.sign(g[0] @ (paper @ g))  # some of these triples turn the paper's step round
    expected = onward * tasks * paper / np.abs(paper).sum()
    assert weights(IMTLG(), g) == pytest.approx(expected, abs=1e-10)


def test_every_task_has_the_same_projection() -> None:
    g = conflicting_triple()
    along = g @ direction(IMTLG(), g) / np.linalg.norm(g, axis=1)
    assert along == pytest.approx(np.full(3, along[0]))


def test_it_is_torchjds_aggregator() -> None:
    g = conflicting_triple()
    theirs = aggregation.IMTLG()(torch.from_numpy(g)).numpy()
    assert cosine(direction(IMTLG(), g), theirs) == pytest.approx(1, abs=1e-12)


def test_gradients_that_float32_cannot_tell_apart_count_as_the_same() -> None:
    g = np.array([[1.0, 2.0], [1.0, 2.0 + 1e-7], [3.0, 6.0]])
    assert weights(IMTLG(), g) == pytest.approx([9 / 7, 9 / 7, 3 / 7], abs=1e-5)
