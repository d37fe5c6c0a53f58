"""Binary tasks: one logit, cross-entropy or focal loss, predictions that are probabilities."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from plait.tasks import Binary

from .base import Rows, TargetFacts
from .checks import check_column, check_labels, check_learnable, read_column
from .soft import SoftHead
from .statistics import inner_rate

_LARGEST_LOGIT = 80.0


class BinaryHead(SoftHead):
    """Read one logit as the probability of a yes.

    With q = sigmoid(z), positive weight w and focal exponent g (Lin et al., `Focal Loss for Dense
    Object Detection <https://arxiv.org/abs/1708.02002>`_, 2017), the loss of a row is

        -w y (1 - q)^g log q - (1 - y) q^g log(1 - q),

    where y may lie between 0 and 1 (successes among trials, soft labels). Its minimiser is not
    the probability of a yes unless w = 1 and g = 0, so `predict` inverts it. Setting the
    derivative of the risk to zero gives, for both settings together,

        logit p = log h(q) - log h(1 - q) - log w,
        h(v) = v / ((1 - v)^g - g (1 - v)^(g-1) v log v),

    which is the map of Charoenphakdee et al. (`On Focal Loss for Class-Posterior Probability
    Estimation <https://arxiv.org/abs/2011.09172>`_, 2021) shifted by the weight.

    Stability: experimental.

    Example:
        >>> head = BinaryHead(Binary("like", positive_weight=9.0))
        >>> head.predict(torch.tensor([[0.0]]), Rows())
        tensor([0.1000])
    """

    task: Binary
    base_rate: Tensor

    def __init__(self, task: Binary) -> None:
        super().__init__(task)
        self.register_buffer("base_rate", torch.tensor(0.5))

    @property
    def out_features(self) -> int:
        """One logit."""
        return 1

    def check(self, facts: TargetFacts) -> None:
        """Refuse labels other than 0 and 1 (between 0 and 1 where the task has `trials`).

        And propensities that are no chance: missing, below 0, above 1, or 0 where the label is 1.

        Raises:
            TaskError: naming the task, how many labels are bad, one of them, and the way out.
        """
        targets = facts.targets
        if self.task.trials is None:
            check_labels(
                self.task,
                facts,
                bad=(targets != 0) & (targets != 1),
                expected="0 or 1",
                way_out="Write `label` as a condition such as `rating >= 4`, or choose another "
                "kind of task.",
            )
        else:
            check_labels(
                self.task,
                facts,
                bad=(targets < 0) | (targets > 1),
                expected="successes divided by trials, between 0 and 1",
                way_out="The label counts successes: it must not exceed `trials` "
                f"({self.task.trials!r}).",
            )
        if self.task.propensity is not None:
            self._check_propensity(facts, self.task.propensity)

    def _check_propensity(self, facts: TargetFacts, written: str) -> None:
        propensity = read_column(self.task, facts.extras, "propensity")
        is_chance = (propensity >= 0) & (propensity <= 1)  # a nan is none
        check_column(
            self.task,
            propensity,
            bad=~is_chance | ((propensity == 0) & (facts.targets > 0)),
            what="propensity",
            expected="a chance from 0 to 1, and above 0 where the label is 1",
            way_out=f"Correct `propensity` ({written!r}), or make the label null where the chance "
            "is not known.",
        )

    def fit(self, facts: TargetFacts) -> None:
        """Take the weighted base rate.

        Raises:
            TaskError: labels outside the kind, none at all, or of one class only.
        """
        self.check(facts)
        check_learnable(self.task, facts)
        rate = float(np.average(facts.targets, weights=facts.weights))
        self.base_rate.fill_(float(inner_rate(rate, facts.targets.size)))

    def initial_bias(self) -> Tensor:
        """The logit for which `predict` gives the base rate, `[1]`."""
        log_odds = torch.logit(self.base_rate.double().cpu()).reshape(1) + self._log_weight
        logit = _apply_focal(log_odds, self.task.focal_gamma or 0.0)
        return logit.to(self.base_rate)

    def loss(self, parameters: Tensor, target: Tensor, rows: Rows) -> Tensor:
        """Cross-entropy, weighted and focal as the task says; `[B]`."""
        logit = parameters.squeeze(-1)
        log_yes, log_no = functional.logsigmoid(logit), functional.logsigmoid(-logit)
        gamma = self.task.focal_gamma
        if gamma:
            log_yes, log_no = (
                torch.exp(gamma * log_no) * log_yes,
                torch.exp(gamma * log_yes) * log_no,
            )
        weight = self.task.positive_weight or 1.0
        return -weight * target * log_yes - (1 - target) * log_no

    def log_odds(self, parameters: Tensor) -> Tensor:
        """Logit of the probability of a yes, corrected for weight and focal loss; `[B]`.

        What chains of tasks should multiply (in log space) where a task has either. With a focal
        loss, logits beyond 80 either way are read as 80: the probability is 0 or 1 in float32.
        """
        logit = _undo_focal(parameters.squeeze(-1), self.task.focal_gamma or 0.0)
        return logit - self._log_weight

    def predict(self, parameters: Tensor, rows: Rows) -> Tensor:
        """Probability of a yes, `[B]`."""
        return torch.sigmoid(self.log_odds(parameters))

    @property
    def soft_width(self) -> int:
        """The probability of a yes."""
        return 1

    def soften(self, parameters: Tensor, *, temperature: float | Tensor, bias: Tensor) -> Tensor:
        """`σ((z + b) / T)` of the log-odds, `[B, 1]`."""
        return torch.sigmoid((self.log_odds(parameters) + bias) / temperature)[:, None]

    def merged(self, beliefs: Tensor) -> Tensor:
        """The mean probability, `[B, 1]`."""
        return beliefs.mean(dim=0)

    def soft_loss(self, parameters: Tensor, soft: Tensor) -> Tensor:
        """The loss is linear in the label, so it is that of the probability; `[B]`."""
        return self.loss(parameters, soft.squeeze(-1), Rows())

    def surprise(self, soft: Tensor, target: Tensor) -> Tensor:
        """Cross-entropy of the label, `[B]`."""
        return functional.binary_cross_entropy(soft.squeeze(-1), target, reduction="none")

    @property
    def _log_weight(self) -> float:
        return math.log(self.task.positive_weight or 1.0)


def _undo_focal(logit: Tensor, gamma: float) -> Tensor:
    """Log h(q) - log h(1 - q), written in the logit so that neither end underflows."""
    if gamma == 0:
        return logit
    bounded = logit.clamp(-_LARGEST_LOGIT, _LARGEST_LOGIT)
    return (
        gamma * bounded
        + torch.log(_denominator(-bounded, gamma))
        - torch.log(_denominator(bounded, gamma))
    )


def _denominator(logit: Tensor, gamma: float) -> Tensor:
    return torch.sigmoid(-logit) - gamma * torch.sigmoid(logit) * functional.logsigmoid(logit)


def _apply_focal(log_odds: Tensor, gamma: float) -> Tensor:
    """Inverse of `_undo_focal`, which grows with its argument, by halving an interval."""
    if gamma == 0:
        return log_odds
    low = torch.full_like(log_odds, -_LARGEST_LOGIT)
    high = torch.full_like(log_odds, _LARGEST_LOGIT)
    for _ in range(64):
        middle = (low + high) / 2
        below = _undo_focal(middle, gamma) < log_odds
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return (low + high) / 2
