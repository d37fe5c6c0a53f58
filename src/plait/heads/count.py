"""Counts: the logarithm of a rate, with the Poisson deviance as loss."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from plait.tasks import Count

from .base import Head, Rows, TargetFacts
from .checks import check_column, check_learnable, check_not_negative, read_column

_LARGEST_LOG_RATE = 30.0


class CountHead(Head):
    """Read one number z as the logarithm of the rate of events.

    A row with exposure t (1 where the task names none) expects t exp(z) events. Its loss,

        t exp(z) - y (z + log t),

    is the negative Poisson log-likelihood without the term log y! that no parameter moves: half the
    deviance up to a constant of the labels. Beyond z = 30 the exponential is continued by its
    tangent in the loss, which keeps both loss and gradient finite and pointing back, and `predict`
    reads z as 30. Labels need not be whole.

    Stability: experimental.

    Example:
        >>> head = CountHead(Count("visits", exposure="days"))
        >>> head.predict(torch.zeros(1, 1), Rows(extras={"exposure": torch.tensor([7.0])}))
        tensor([7.])
    """

    task: Count
    base_log_rate: Tensor

    def __init__(self, task: Count) -> None:
        super().__init__(task)
        self.register_buffer("base_log_rate", torch.tensor(0.0))

    @property
    def out_features(self) -> int:
        """One log rate."""
        return 1

    def check(self, facts: TargetFacts) -> None:
        """Refuse negative labels, and exposures that are not positive.

        Raises:
            TaskError: naming the task, how many rows are bad, one value, and the way out.
        """
        check_not_negative(self.task, facts)
        if self.task.exposure is None:
            return
        exposure = read_column(self.task, facts.extras, "exposure")
        check_column(
            self.task,
            exposure,
            bad=~(np.isfinite(exposure) & (exposure > 0)),
            what="exposure",
            expected="a positive number",
            way_out=f"Correct `exposure` ({self.task.exposure!r}), or make the label null where "
            "nothing could be counted.",
        )

    def fit(self, facts: TargetFacts) -> None:
        """Take the weighted rate of events by exposure.

        Raises:
            TaskError: labels outside the kind, none at all, or all zero.
        """
        self.check(facts)
        events = float(facts.weights @ facts.targets)
        if events == 0:
            check_learnable(self.task, facts)
        exposure = facts.extras["exposure"] if self.task.exposure else np.ones_like(facts.targets)
        self.base_log_rate.fill_(math.log(events / float(facts.weights @ exposure)))

    def initial_bias(self) -> Tensor:
        """The logarithm of the base rate, `[1]`."""
        return self.base_log_rate.reshape(1)

    def loss(self, parameters: Tensor, target: Tensor, rows: Rows) -> Tensor:
        """Poisson loss; `[B]`."""
        log_rate = parameters.squeeze(-1)
        bounded = log_rate.clamp(max=_LARGEST_LOG_RATE)
        rate = torch.exp(bounded) * (1 + log_rate - bounded)
        if self.task.exposure is None:
            return rate - target * log_rate
        exposure = read_column(self.task, rows.extras, "exposure")
        if rows.observed is not None:  # where no label is, the exposure may be anything
            exposure = torch.where(rows.observed, exposure, torch.ones_like(exposure))
        return rate * exposure - target * (log_rate + torch.log(exposure))

    def predict(self, parameters: Tensor, rows: Rows) -> Tensor:
        """Expected number of events for the row's own exposure, `[B]`."""
        rate = torch.exp(parameters.squeeze(-1).clamp(max=_LARGEST_LOG_RATE))
        if self.task.exposure is None:
            return rate
        return rate * read_column(self.task, rows.extras, "exposure")
