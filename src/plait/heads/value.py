"""Amounts that are mostly zero: the zero-inflated lognormal distribution."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from plait.tasks import Value

from .base import Head, Rows, TargetFacts
from .checks import check_learnable, check_not_negative
from .statistics import inner_rate, mean_and_spread

_SMALLEST_SIGMA = 0.01
_LARGEST_SIGMA = 3.0
_LARGEST_EXPONENT = 80.0
_RAW_UNIT_SIGMA = math.log(math.expm1(1.0 - _SMALLEST_SIGMA))
_LOG_SQRT_TWO_PI = 0.5 * math.log(2.0 * math.pi)


class ValueHead(Head):
    """Read three numbers as a chance of any value, and a lognormal value where there is one.

    The zero-inflated lognormal distribution (Wang et al., `A Deep Probabilistic Model for Customer
    Lifetime Value Prediction <https://arxiv.org/abs/1912.07753>`_, 2019). From parameters
    (z, a, b), and with l and s the mean and standard deviation of log y over the positive training
    labels,

        p = sigmoid(z),  mu = l + s a,  sigma = s (softplus(b) + 0.01),

    the loss is the exact negative log-likelihood: the cross-entropy of 1[y > 0] with p, and for
    y > 0 also log y + log sigma + log(2 pi) / 2 + (log y - mu)^2 / (2 sigma^2). Being a density it
    may be negative. The prediction is the mean, p exp(mu + sigma^2 / 2), in log space; there sigma
    is read as at most 3 s and the exponent as at most 80, so that one wild row cannot predict an
    infinite amount.

    Stability: experimental.

    Example:
        >>> head = ValueHead(Value("spend"))
        >>> head.fit(TargetFacts(np.array([0.0, 0.0, 3.0, 9.0]), np.ones(4)))
        >>> head.predict(head.initial_bias().reshape(1, 3), Rows()).round(decimals=4)
        tensor([3.])
    """

    task: Value
    base_rate: Tensor
    base_mean: Tensor
    location: Tensor
    scale: Tensor

    def __init__(self, task: Value) -> None:
        super().__init__(task)
        self.register_buffer("base_rate", torch.tensor(0.5))
        self.register_buffer("base_mean", torch.tensor(1.0))
        self.register_buffer("location", torch.tensor(0.0))
        self.register_buffer("scale", torch.tensor(1.0))

    @property
    def out_features(self) -> int:
        """Logit of a positive value, standardised mean and raw spread of its logarithm."""
        return 3

    def check(self, facts: TargetFacts) -> None:
        """Refuse negative labels.

        Raises:
            TaskError: naming the task, how many labels are bad, one of them, and the way out.
        """
        check_not_negative(self.task, facts)

    def fit(self, facts: TargetFacts) -> None:
        """Take the share of positive labels, and mean and spread of their logarithms.

        Raises:
            TaskError: labels outside the kind, none at all, or all the same.
        """
        self.check(facts)
        check_learnable(self.task, facts)
        positive = facts.targets > 0
        rate = float(np.average(positive, weights=facts.weights))
        location, scale = mean_and_spread(np.log(facts.targets[positive]), facts.weights[positive])
        self.base_rate.fill_(float(inner_rate(rate, facts.targets.size)))
        self.base_mean.fill_(np.average(facts.targets, weights=facts.weights))
        self.location.fill_(location)
        self.scale.fill_(scale)

    def initial_bias(self) -> Tensor:
        """The parameters for which `predict` gives the mean label, `[3]`; sigma is then s."""
        log_mean = torch.log(self.base_mean / self.base_rate)
        centre = (log_mean - self.scale.square() / 2 - self.location) / self.scale
        spread = torch.full_like(centre, _RAW_UNIT_SIGMA)
        return torch.stack([torch.logit(self.base_rate), centre, spread])

    def loss(self, parameters: Tensor, target: Tensor, rows: Rows) -> Tensor:
        """Negative log-likelihood; `[B]`."""
        logit, centre, raw_sigma = parameters.unbind(-1)
        positive = target > 0
        log_value = torch.log(torch.where(positive, target, torch.ones_like(target)))
        sigma = functional.softplus(raw_sigma) + _SMALLEST_SIGMA
        distance = ((log_value - self.location) / self.scale - centre) / sigma
        lognormal = (
            log_value + torch.log(sigma * self.scale) + _LOG_SQRT_TWO_PI + distance.square() / 2
        )
        is_positive = functional.binary_cross_entropy_with_logits(
            logit, positive.to(logit.dtype), reduction="none"
        )
        return is_positive + torch.where(positive, lognormal, torch.zeros_like(lognormal))

    def predict(self, parameters: Tensor, rows: Rows) -> Tensor:
        """Expected value in the label's own unit, `[B]`."""
        logit, centre, raw_sigma = parameters.unbind(-1)
        sigma = (functional.softplus(raw_sigma) + _SMALLEST_SIGMA).clamp(max=_LARGEST_SIGMA)
        exponent = self.location + self.scale * centre + (self.scale * sigma).square() / 2
        return torch.exp((functional.logsigmoid(logit) + exponent).clamp(max=_LARGEST_EXPONENT))
