"""Soft labels of every head that takes them, against arithmetic and numerical integration."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import norm
from torch.testing import assert_close

from plait.heads import BinaryHead, MulticlassHead, RegressionHead, Rows, TargetFacts
from plait.tasks import Binary, Multiclass, Regression

NONE = torch.zeros(1)


def test_a_soft_yes_is_the_mixture_of_both_losses() -> None:
    head = BinaryHead(Binary("like", positive_weight=3.0, focal_gamma=2.0))
    parameters = torch.tensor([[0.7], [-1.2]])
    yes = head.loss(parameters, torch.ones(2), Rows())
    no = head.loss(parameters, torch.zeros(2), Rows())
    soft = torch.tensor([[0.25], [0.9]])
    assert_close(head.soft_loss(parameters, soft), soft[:, 0] * yes + (1 - soft[:, 0]) * no)


def test_beliefs_are_probabilities_whatever_the_loss_was() -> None:
    head = BinaryHead(Binary("like", positive_weight=9.0))
    belief = head.soften(torch.zeros(1, 1), temperature=1.0, bias=NONE)
    assert_close(belief, torch.tensor([[0.1]]))
    cooled = head.soften(torch.zeros(1, 1), temperature=2.0, bias=torch.tensor([0.4]))
    assert_close(cooled, torch.sigmoid((torch.tensor([[0.1]]).logit() + 0.4) / 2))
    assert_close(head.merged(torch.tensor([[[0.2]], [[0.6]]])), torch.tensor([[0.4]]))
    assert_close(head.surprise(torch.tensor([[0.25]]), torch.ones(1)), -torch.tensor([0.25]).log())


def test_a_soft_class_is_the_mixture_of_the_losses_of_all_classes() -> None:
    head = MulticlassHead(
        Multiclass("answer", classes=("a", "b", "c"), class_weights=(1.0, 2.0, 5.0))
    )
    parameters = torch.tensor([[0.1, -0.4, 1.0]])
    losses = [head.loss(parameters, torch.tensor([float(c)]), Rows()) for c in range(3)]
    soft = torch.tensor([[0.5, 0.2, 0.3]])
    mixed = sum(share * loss for share, loss in zip(soft[0], losses, strict=True))
    assert_close(head.soft_loss(parameters, soft), mixed)
    belief = head.soften(parameters, temperature=1.0, bias=torch.zeros(3))
    assert_close(belief, head.predict(parameters, Rows()))
    assert_close(head.surprise(soft, torch.tensor([1.0])), -torch.tensor([0.2]).log())


def test_the_variance_of_a_number_is_that_within_and_between_the_models() -> None:
    head = RegressionHead(Regression("hours"))
    beliefs = torch.tensor([[[1.0, 0.5]], [[3.0, 0.1]]])
    assert_close(head.merged(beliefs), torch.tensor([[2.0, 0.3 + 1.0]]))
    said = head.soften(torch.tensor([[1.5]]), temperature=2.0, bias=torch.tensor([0.5]))
    assert_close(said, torch.tensor([[1.0, 0.0]]))


@pytest.mark.parametrize("loss", ["squared", "huber", "absolute"])
def test_a_soft_number_is_the_expected_error(loss: str) -> None:
    head = RegressionHead(Regression("hours", loss=loss))
    head.fit(TargetFacts(np.array([2.0, 6.0]), np.ones(2)))
    number, mean, variance = 0.4, 1.1, 0.36
    found = head.soft_loss(torch.tensor([[number]]), torch.tensor([[mean, variance]]))
    grid = np.linspace(mean - 5, mean + 5, 20_001)
    labels = torch.from_numpy(grid * 2.0 + 4.0).float()  # back in hours
    losses = head.loss(torch.full((len(grid), 1), number), labels, Rows()).numpy()
    density = norm.pdf(grid, mean, variance**0.5)
    expected = float(np.trapezoid(losses * density, grid))
    tolerance = {"squared": 1e-4, "huber": 0.01, "absolute": 0.05}[loss]
    assert float(found) == pytest.approx(expected, abs=tolerance)
