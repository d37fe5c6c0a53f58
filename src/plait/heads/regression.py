"""Regression tasks: a standardised number in training, the label's own unit in predictions."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from plait.errors import TaskError
from plait.tasks import Regression

from .base import Rows, TargetFacts
from .checks import check_labels, check_learnable, check_not_negative
from .soft import SoftHead
from .statistics import mean_and_spread, weighted_quantiles

_LARGEST_EXPONENT = 80.0


class RegressionHead(SoftHead):
    """Read one number, standardised, as a quantity in the label's own unit.

    The loss compares z with u = (T(min(y, c)) - m) / s, where T is the task's transform, c the
    `clip_quantile` of the training labels, and m and s are mean and standard deviation of T over
    the training rows. Losses are therefore of order 1 whatever the unit.

    A trained model may be straightened: z' = a + b z takes the place of z in predictions, with a
    and b from rows that training did not see (`plait.training.straighten`); 0 and 1 until then.

    Without a transform the prediction is m + s z'. With `log1p`, f = m + s z' estimates the mean of
    log(1 + y), whose exponential falls short of the mean of 1 + y. The smearing estimate (Duan,
    `Smearing Estimate: A Nonparametric Retransformation Method
    <https://doi.org/10.1080/01621459.1983.10478017>`_, 1983) multiplies by the mean of
    exp(residual): the prediction is S exp(f) - 1, not below 0. Residuals exist only once there is
    a model, so S is 1 until `calibrate` was called. Residuals are of the clipped label: S undoes
    the logarithm, not the cut. f is bounded by 80, so that float32 predictions are finite.

    Stability: experimental.

    Example:
        >>> head = RegressionHead(Regression("hours"))
        >>> head.fit(TargetFacts(np.array([2.0, 6.0]), np.ones(2)))
        >>> head.predict(torch.tensor([[0.0], [1.0]]), Rows())
        tensor([4., 6.])
    """

    task: Regression
    location: Tensor
    scale: Tensor
    label_mean: Tensor
    ceiling: Tensor
    smearing: Tensor
    slope: Tensor
    intercept: Tensor

    def __init__(self, task: Regression) -> None:
        super().__init__(task)
        self.register_buffer("location", torch.tensor(0.0))
        self.register_buffer("scale", torch.tensor(1.0))
        self.register_buffer("label_mean", torch.tensor(0.0))
        self.register_buffer("ceiling", torch.tensor(torch.inf))
        self.register_buffer("smearing", torch.tensor(1.0))
        self.register_buffer("slope", torch.tensor(1.0))
        self.register_buffer("intercept", torch.tensor(0.0))

    @property
    def out_features(self) -> int:
        """One number."""
        return 1

    @property
    def needs_calibration(self) -> bool:
        """Whether `calibrate` should be called after training: under `log1p`."""
        return self.task.transform == "log1p"

    def check(self, facts: TargetFacts) -> None:
        """Refuse labels that are not finite, or below 0 under `log1p`.

        Raises:
            TaskError: naming the task, how many labels are bad, one of them, and the way out.
        """
        if self.task.transform == "log1p":
            check_not_negative(self.task, facts)
        else:
            check_labels(self.task, facts)

    def fit(self, facts: TargetFacts) -> None:
        """Take the place of the cut, then mean and spread of the transformed label.

        Raises:
            TaskError: labels outside the kind, none at all, or all the same.
        """
        self.check(facts)
        check_learnable(self.task, facts)
        targets = facts.targets
        if self.task.clip_quantile is not None:
            level = np.array([self.task.clip_quantile])
            cut = weighted_quantiles(targets, facts.weights, level)[0]
            targets = np.minimum(targets, cut)
            self.ceiling.fill_(cut)
        self.label_mean.fill_(np.average(targets, weights=facts.weights))
        transformed = np.log1p(targets) if self.task.transform == "log1p" else targets
        location, scale = mean_and_spread(transformed, facts.weights)
        self.location.fill_(location)
        self.scale.fill_(scale)
        self.smearing.fill_(1.0)
        self.slope.fill_(1.0)
        self.intercept.fill_(0.0)

    def initial_bias(self) -> Tensor:
        """The number for which an uncalibrated `predict` gives the mean (clipped) label, `[1]`."""
        mean = self._transform(self.label_mean)
        return ((mean - self.location) / self.scale).reshape(1)

    def loss(self, parameters: Tensor, target: Tensor, rows: Rows) -> Tensor:
        """Half the squared, Huber's or the absolute error, standardised; `[B]`."""
        return self._error(parameters.squeeze(-1), self.standardised(target))

    def _error(self, number: Tensor, standardised: Tensor) -> Tensor:
        match self.task.loss:
            case "squared":
                return (number - standardised).square() / 2
            case "huber":
                return functional.huber_loss(number, standardised, reduction="none")
            case "absolute":
                return (number - standardised).abs()

    def predict(self, parameters: Tensor, rows: Rows) -> Tensor:
        """Expected label in its own unit, `[B]`."""
        fitted = self._straightened(parameters) * self.scale + self.location
        if self.task.transform == "none":
            return fitted
        return (self.smearing * torch.exp(fitted.clamp(max=_LARGEST_EXPONENT)) - 1).clamp(min=0)

    def calibrate(self, parameters: Tensor, target: Tensor, weights: Tensor) -> None:
        """Set the smearing factor from the residuals of a trained model.

        Args:
            parameters: what the model gives for the rows, `[n, 1]`.
            target: the observed labels of the rows, `[n]`.
            weights: their weights, `[n]`.

        Raises:
            TaskError: the rows are none, weigh nothing, or leave a factor that is not finite.
        """
        if not self.needs_calibration:
            return
        residual = (
            self.standardised(target) - self._straightened(parameters.detach())
        ) * self.scale
        factor = (weights * torch.exp(residual)).sum() / weights.sum()
        if not torch.isfinite(factor):
            raise TaskError(
                f"Task {self.task.name!r}: the smearing factor over {target.numel()} rows is "
                f"{factor.item()}. Calibrate a model that has converged, on at least one row with "
                "a label and a positive weight."
            )
        self.smearing.copy_(factor)

    @property
    def soft_width(self) -> int:
        """Mean and variance of the standardised label."""
        return 2

    def soften(self, parameters: Tensor, *, temperature: float | Tensor, bias: Tensor) -> Tensor:
        """`(z + b) / T` with no variance of its own, `[B, 2]`."""
        mean = (parameters.squeeze(-1) + bias) / temperature
        return torch.stack([mean, torch.zeros_like(mean)], dim=1)

    def merged(self, beliefs: Tensor) -> Tensor:
        """Mean of the means; variance within the models and between them, `[B, 2]`."""
        mean, variance = beliefs.unbind(dim=2)  # [M, B] each
        return torch.stack(
            [mean.mean(dim=0), variance.mean(dim=0) + mean.var(dim=0, correction=0)], dim=1
        )

    def soft_loss(self, parameters: Tensor, soft: Tensor) -> Tensor:
        """Expected error under a normal label, by Gauss and Hermite's rule of five points; `[B]`.

        Exact for the squared error, where the variance adds a constant.
        """
        mean, variance = soft.unbind(dim=1)
        spread = variance.clamp_min(0).sqrt()
        places, weights = np.polynomial.hermite_e.hermegauss(5)
        number = parameters.squeeze(-1)
        losses = [
            self._error(number, mean + float(place) * spread) * float(weight)
            for place, weight in zip(places, weights / weights.sum(), strict=True)
        ]
        return torch.stack(losses).sum(dim=0)

    def surprise(self, soft: Tensor, target: Tensor) -> Tensor:
        """Half the squared distance of the mean from the standardised label, `[B]`."""
        return (soft[:, 0] - self.standardised(target)).square() / 2

    def standardised(self, target: Tensor) -> Tensor:
        """What the loss compares with, from labels in their own unit; `[B]`."""
        return (self._transform(torch.minimum(target, self.ceiling)) - self.location) / self.scale

    def _straightened(self, parameters: Tensor) -> Tensor:
        return parameters.squeeze(-1) * self.slope + self.intercept

    def _transform(self, label: Tensor) -> Tensor:
        return torch.log1p(label) if self.task.transform == "log1p" else label
