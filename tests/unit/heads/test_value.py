from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import bernoulli, lognorm
from torch.nn import functional
from torch.testing import assert_close

from plait.errors import TaskError
from plait.heads import Rows, TargetFacts, ValueHead
from plait.tasks import Value

LABELS = np.array([0.0, 0.0, 0.0, 3.0, 9.0, 250.0])


def fitted() -> ValueHead:
    head = ValueHead(Value("spend")).double()
    head.fit(TargetFacts(LABELS, np.ones(6)))
    return head


def distribution(head: ValueHead, parameters: torch.Tensor) -> tuple[np.ndarray, ...]:
    """Chance, mu and sigma from the formulas of the class, in NumPy."""
    logit, centre, raw = parameters.numpy().T
    location, scale = head.location.item(), head.scale.item()
    sigma = scale * (np.log1p(np.exp(raw)) + 0.01)
    return 1 / (1 + np.exp(-logit)), location + scale * centre, sigma


def test_loss_is_exactly_the_negative_log_likelihood() -> None:
    head, random = fitted(), torch.Generator().manual_seed(0)
    parameters = torch.randn(6, 3, generator=random, dtype=torch.float64)
    chance, mu, sigma = distribution(head, parameters)
    positive = LABELS > 0
    expected = -np.asarray(bernoulli.logpmf(positive, chance))
    expected[positive] -= lognorm.logpdf(
        LABELS[positive], s=sigma[positive], scale=np.exp(mu[positive])
    )
    loss = head.loss(parameters, torch.from_numpy(LABELS), Rows())
    np.testing.assert_allclose(loss.numpy(), expected, rtol=1e-10)


def test_prediction_is_the_mean_of_the_distribution() -> None:
    head, random = fitted(), torch.Generator().manual_seed(1)
    parameters = torch.randn(50, 3, generator=random, dtype=torch.float64)
    chance, mu, sigma = distribution(head, parameters)
    expected = chance * lognorm.mean(s=sigma, scale=np.exp(mu))
    np.testing.assert_allclose(head.predict(parameters, Rows()).numpy(), expected, rtol=1e-9)


def test_location_and_scale_are_those_of_the_positive_logarithms() -> None:
    logs = np.log(LABELS[LABELS > 0])
    head = fitted()
    assert_close(head.location.item(), logs.mean())
    assert_close(head.scale.item(), logs.std())


def test_an_untrained_head_predicts_the_mean_with_the_spread_of_the_labels() -> None:
    head = fitted()
    bias = head.initial_bias()
    assert_close(head.predict(bias.reshape(1, 3), Rows()).item(), LABELS.mean())
    assert_close(torch.sigmoid(bias[0]).item(), 0.5)
    assert_close((functional.softplus(bias[2]) + 0.01).item(), 1.0)


def test_labels_without_a_zero_are_fitted_too() -> None:
    head = ValueHead(Value("spend"))
    head.fit(TargetFacts(np.array([1.0, 2.0, 9.0]), np.ones(3)))
    assert_close(head.predict(head.initial_bias().reshape(1, 3), Rows()), torch.tensor([4.0]))


def test_a_single_positive_value_has_spread_one() -> None:
    head = ValueHead(Value("spend"))
    head.fit(TargetFacts(np.array([0.0, 0.0, 5.0]), np.ones(3)))
    assert head.scale == 1.0
    assert head.initial_bias().isfinite().all()


def test_a_wild_spread_is_bounded_in_predictions_but_still_pulled_back_by_the_loss() -> None:
    head = fitted().float()
    parameters = torch.tensor([[0.0, 0.0, 50.0], [0.0, 0.0, 3.0]], requires_grad=True)
    prediction = head.predict(parameters, Rows())
    (slope,) = torch.autograd.grad(
        head.loss(parameters, torch.tensor([9.0, 9.0]), Rows()).sum(), parameters
    )
    assert prediction[0] == prediction[1]
    assert slope[0, 2] > 0


def test_a_negative_value_is_refused() -> None:
    with pytest.raises(TaskError, match=r"'spend' \(value\): 1 of 2 rows .* example -0.5"):
        ValueHead(Value("spend")).fit(TargetFacts(np.array([1.0, -0.5]), np.ones(2)))
