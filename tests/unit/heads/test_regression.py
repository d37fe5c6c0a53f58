from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from plait.errors import TaskError
from plait.heads import RegressionHead, Rows, TargetFacts
from plait.tasks import Regression

ROWS = Rows()


def fitted(task: Regression, labels: list[float]) -> RegressionHead:
    head = RegressionHead(task)
    head.fit(TargetFacts(np.array(labels), np.ones(len(labels))))
    return head


def test_losses_are_on_the_standardised_label_by_hand() -> None:
    # Labels 2 and 6: mean 4, deviation 2. The label 8 is 2 deviations above the mean.
    number, label = torch.tensor([[-1.0], [1.5]]), torch.tensor([8.0, 8.0])
    losses = {
        name: fitted(Regression("rating", loss=name), [2.0, 6.0]).loss(number, label, ROWS)
        for name in ("squared", "huber", "absolute")
    }
    assert_close(losses["squared"], torch.tensor([4.5, 0.125]))
    assert_close(losses["huber"], torch.tensor([2.5, 0.125]))
    assert_close(losses["absolute"], torch.tensor([3.0, 0.5]))


def test_the_unit_of_the_label_does_not_move_the_loss() -> None:
    labels = [1.0, 2.0, 4.0, 9.0]
    parameters, target = torch.tensor([[0.3]] * 4), torch.tensor(labels)
    seconds = fitted(Regression("watched"), labels)
    hours = fitted(Regression("watched"), [label / 3600 for label in labels])
    assert_close(
        seconds.loss(parameters, target, ROWS), hours.loss(parameters, target / 3600, ROWS)
    )


def test_case_77_labels_of_a_million_train_to_a_finite_loss() -> None:
    labels = [1e6, 2e6, 5e6, 0.0]
    head, target = fitted(Regression("price"), labels), torch.tensor(labels)
    parameters = torch.zeros(4, 1, requires_grad=True)
    for _ in range(200):
        loss = head.loss(parameters, target, ROWS)
        assert loss.isfinite().all()
        assert loss.max() < 10
        (gradient,) = torch.autograd.grad(loss.sum(), parameters)
        parameters = (parameters - 0.5 * gradient).detach().requires_grad_()
    assert_close(head.predict(parameters, ROWS), target, rtol=1e-4, atol=1.0)


def test_labels_above_the_quantile_are_cut_in_the_loss() -> None:
    labels = [float(label) for label in range(1, 10)] + [1000.0]
    head = fitted(Regression("price", clip_quantile=0.9), labels)
    number = torch.zeros(2, 1)
    loss = head.loss(number, torch.tensor([9.0, 1000.0]), ROWS)
    assert head.ceiling == 9.0
    assert loss[0] == loss[1]


def test_log1p_predicts_in_raw_units() -> None:
    head = fitted(Regression("hours", transform="log1p"), [0.0, math.e**2 - 1])
    assert_close(  # the logarithms are 0 and 2: mean 1, deviation 1
        head.predict(torch.tensor([[1.0], [0.0], [-9.0]]), ROWS),
        torch.tensor([math.e**2 - 1, math.e - 1, 0.0]),
    )


def test_calibration_makes_the_mean_right_where_the_logarithm_left_it_too_low() -> None:
    random = np.random.default_rng(0)
    location = random.normal(2.0, 0.5, 20_000)
    labels = np.expm1(location + random.normal(0.0, 0.8, location.size)).clip(min=0)
    head = RegressionHead(Regression("hours", transform="log1p"))
    head.fit(TargetFacts(labels, np.ones_like(labels)))
    perfect = torch.from_numpy((location - head.location.item()) / head.scale.item()).reshape(-1, 1)
    target = torch.from_numpy(labels)
    assert head.needs_calibration
    assert head.predict(perfect, ROWS).mean() < 0.8 * target.mean()
    head.calibrate(perfect, target, torch.ones_like(target))
    assert_close(head.predict(perfect, ROWS).mean(), target.mean(), rtol=0.02, atol=0.0)


def test_the_smearing_factor_is_the_weighted_mean_of_exponential_residuals() -> None:
    head = fitted(Regression("hours", transform="log1p"), [0.0, math.e**2 - 1])
    target, weights = torch.tensor([0.0, math.e**2 - 1]), torch.tensor([3.0, 1.0])
    head.calibrate(torch.zeros(2, 1), target, weights)
    assert_close(head.smearing, torch.tensor((3 * math.exp(-1) + math.exp(1)) / 4))


def test_calibration_at_the_initial_bias_changes_nothing() -> None:
    labels = [0.0, 1.0, 5.0, 30.0]
    head = fitted(Regression("hours", transform="log1p"), labels)
    head.calibrate(head.initial_bias().expand(4, 1), torch.tensor(labels), torch.ones(4))
    assert_close(head.smearing, torch.tensor(1.0))


def test_without_a_transform_there_is_nothing_to_calibrate() -> None:
    head = fitted(Regression("hours"), [1.0, 2.0])
    head.calibrate(torch.zeros(1, 1), torch.ones(1), torch.ones(1))
    assert not head.needs_calibration
    assert head.smearing == 1.0


def test_a_factor_that_is_not_finite_is_refused() -> None:
    head = fitted(Regression("hours", transform="log1p"), [0.0, 5.0])
    with pytest.raises(TaskError, match=r"'hours': the smearing factor over 0 rows is nan"):
        head.calibrate(torch.zeros(0, 1), torch.zeros(0), torch.zeros(0))


def test_a_negative_label_has_no_logarithm() -> None:
    with pytest.raises(TaskError, match=r"for example -2; expected a finite number, not negative"):
        fitted(Regression("hours", transform="log1p"), [1.0, -2.0])
