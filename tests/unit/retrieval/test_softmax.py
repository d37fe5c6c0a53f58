"""The loss over the items of a batch: written out, and what its correction is for."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from plait.retrieval import ItemFrequency, in_batch_softmax


def written_out(
    scores: list[list[float]], items: list[int], log_q: list[float], weights: list[float]
) -> float:
    """Yi et al. 2019, eqs. 5 to 7, in plain numbers; other rows of the own item are left out."""
    total = 0.0
    for i, row in enumerate(scores):
        corrected = [score - q for score, q in zip(row, log_q, strict=True)]
        others = [math.exp(c) for j, c in enumerate(corrected) if j == i or items[j] != items[i]]
        total += weights[i] * -math.log(math.exp(corrected[i]) / sum(others))
    return total / sum(weights)


@pytest.mark.parametrize("rows", [1, 2, 7])
def test_it_is_the_paper_s_loss(rows: int) -> None:
    rng = np.random.default_rng(rows)
    scores, items = rng.normal(size=(rows, rows)) * 3, rng.integers(0, 4, rows)
    log_q, weights = np.log(rng.random(4))[items], rng.random(rows)
    found = in_batch_softmax(
        torch.tensor(scores), torch.tensor(items), torch.tensor(log_q), torch.tensor(weights)
    )
    expected = written_out(scores.tolist(), items.tolist(), log_q.tolist(), weights.tolist())
    assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-10)


def test_a_batch_of_one_item_teaches_nothing_and_is_no_nan() -> None:
    scores = torch.randn(3, 3, requires_grad=True)
    found = in_batch_softmax(scores, torch.tensor([5, 5, 5]), torch.zeros(3), torch.ones(3))
    found.backward()
    assert found == 0
    assert scores.grad is not None
    assert (scores.grad == 0).all()


def test_the_frequency_of_an_item_is_its_share_of_the_rows() -> None:
    frequency = ItemFrequency(np.array([9, 4, 9, 9]))
    found = frequency.log_q(torch.tensor([4, 9, 9]))
    assert_close(found, torch.tensor([0.25, 0.75, 0.75]).log())


def test_with_the_correction_the_gradient_is_that_of_all_items_in_the_mean() -> None:
    """Popular items are drawn more often; without the correction they are held down."""
    rng = np.random.default_rng(0)
    q = np.array([0.6, 0.3, 0.08, 0.02])
    theta = torch.tensor([0.5, -0.2, 0.1, 0.4], dtype=torch.float64)
    softmax = torch.softmax(theta, dim=0)

    def mean_gradient(corrected: float) -> torch.Tensor:
        """Of log Z alone, since what pulls the own item up is the same in both."""
        total = torch.zeros(4, dtype=torch.float64)
        batches = 300
        for _ in range(batches):
            drawn = torch.from_numpy(rng.choice(4, size=400, p=q))
            leaf = theta.clone().requires_grad_()
            log_q = torch.from_numpy(np.log(q))[drawn] * corrected
            torch.logsumexp(leaf[drawn] - log_q, dim=0).backward()
            assert leaf.grad is not None
            total += leaf.grad
        return total / batches

    assert_close(mean_gradient(1.0), softmax, rtol=0, atol=0.01)
    assert (mean_gradient(0.0) - softmax).abs().max() > 0.2
