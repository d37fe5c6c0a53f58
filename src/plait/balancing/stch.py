"""A smooth form of the largest loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .base import LossBalancer, TaskFacts
from .checks import check_losses, check_positive
from .softmax import softmax

__all__ = ["STCH"]

LEAST_LOSS = 1e-8


class STCH(LossBalancer):
    """Train most the task that lags most behind its own start.

    The objective is `μ log Σ exp(f_k / μ)`, a smooth form of `max f_k` (Smooth Tchebycheff; Lin et
    al., `Smooth Tchebycheff Scalarization <https://arxiv.org/abs/2402.19078>`_, 2024), of losses
    `f_k = L_k / L̄_k` over their mean in the first steps. The weight of a loss is its gradient times
    the number of tasks: `K softmax(f / μ)_k / L̄_k`. A task has the weight 1, and no part in the
    softmax, until it was seen in `warmup` steps. With a preference λ (`Weighted`, `Rays`) it is
    `μ log Σ exp(λ_k f_k / μ)`, as in the paper.

    Stability: experimental.

    Example:
        >>> rule = STCH(warmup=1)
        >>> rule.weigh({"click": 0.5, "watch": 4.0})
        {'click': 1.0, 'watch': 1.0}
        >>> rule.weigh({"click": 0.5, "watch": 4.0})
        {'click': 2.0, 'watch': 0.25}

    Args:
        mu: μ; the smaller, the nearer to the largest loss alone.
        warmup: steps whose losses make a task's mean.

    Raises:
        ConfigurationError: a setting that is not positive.
        TrainingError: a negative loss.
    """

    paper = "Lin et al. 2024"
    when = "no task may stay behind; losses on different scales"

    def __init__(self, *, mu: float = 0.5, warmup: int = 100) -> None:
        check_positive(self, mu=mu, warmup=warmup)
        self.mu = mu
        self.warmup = warmup
        self._first: dict[str, list[float]] = {}  # sum and number of a task's first losses

    def prepare(self, facts: Mapping[str, TaskFacts]) -> None:
        """Begin to average."""
        self._first = {}

    def weigh(self, losses: Mapping[str, float]) -> dict[str, float]:
        """Equal weights at first, then the softmax of losses over their first means."""
        check_losses(self, losses)
        means = {
            task: max(total / count, LEAST_LOSS)
            for task, (total, count) in self._first.items()
            if count >= self.warmup and task in losses
        }
        heard = self.preference or dict.fromkeys(losses, 1.0)
        shares = softmax(
            {task: heard[task] * losses[task] / mean / self.mu for task, mean in means.items()}
        )
        weights = dict.fromkeys(losses, 1.0)
        weights |= {task: len(shares) * share / means[task] for task, share in shares.items()}
        for task, loss in losses.items():
            if task not in means:
                total, count = self._first.get(task, [0.0, 0.0])
                self._first[task] = [total + loss, count + 1]
        return weights

    def state_dict(self) -> dict[str, Any]:
        """Sums and numbers of the first losses."""
        return {task: list(entry) for task, entry in self._first.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take them back."""
        self._first = {task: list(entry) for task, entry in state.items()}
