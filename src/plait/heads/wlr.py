"""Watch time as the odds of a weighted logistic regression."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from plait.tasks import WatchTime

from .base import Head, Rows, TargetFacts
from .checks import check_learnable, check_not_negative

_LARGEST_LOG_ODDS = 80.0


class WLRHead(Head):
    """Read one logit as the logarithm of an expected watch time.

    Weighted logistic regression (Covington et al., `Deep Neural Networks for YouTube
    Recommendations <https://doi.org/10.1145/2959100.2959190>`_, 2016). A positive is a row that was
    watched at all (w > 0), and it weighs w; a row that was not weighs 1. The paper gives positives
    no share among the negatives, so that its odds are E[w] / (1 - P(w > 0)): close to E[w] only
    where few rows are watched, and without bound where all are. We correct that at the root:
    *every* row also counts once as a negative, and the loss is

        (w / m) softplus(-z) + softplus(z),

    with m the mean watch time of the training rows, which only sets the unit. Its minimiser has the
    odds exp(z) = E[w] / m at any share of positives, and the prediction is m exp(z), z read as at
    most 80.

    Stability: experimental.

    Example:
        >>> head = WLRHead(WatchTime("seconds", duration="length", form="wlr"))
        >>> head.fit(TargetFacts(np.array([0.0, 0.0, 9.0]), np.ones(3)))
        >>> head.predict(torch.zeros(1, 1), Rows())
        tensor([3.])
    """

    task: WatchTime
    base_mean: Tensor

    def __init__(self, task: WatchTime) -> None:
        super().__init__(task)
        self.register_buffer("base_mean", torch.tensor(1.0))

    @property
    def out_features(self) -> int:
        """One logit."""
        return 1

    def check(self, facts: TargetFacts) -> None:
        """Refuse negative labels.

        Raises:
            TaskError: naming the task, how many labels are bad, one of them, and the way out.
        """
        check_not_negative(self.task, facts)

    def fit(self, facts: TargetFacts) -> None:
        """Take the weighted mean watch time.

        Raises:
            TaskError: labels outside the kind, none at all, or all the same.
        """
        self.check(facts)
        check_learnable(self.task, facts)
        self.base_mean.fill_(np.average(facts.targets, weights=facts.weights))

    def initial_bias(self) -> Tensor:
        """Zero, `[1]`: the mean watch time."""
        return self.base_mean.new_zeros(1)

    def loss(self, parameters: Tensor, target: Tensor, rows: Rows) -> Tensor:
        """Logistic loss weighted by watch time; `[B]`."""
        logit = parameters.squeeze(-1)
        weight = target / self.base_mean
        return weight * functional.softplus(-logit) + functional.softplus(logit)

    def predict(self, parameters: Tensor, rows: Rows) -> Tensor:
        """Expected watch time in the label's own unit, `[B]`."""
        return self.base_mean * torch.exp(parameters.squeeze(-1).clamp(max=_LARGEST_LOG_ODDS))
