"""The geometric mean of the losses."""

from __future__ import annotations

import math
from collections.abc import Mapping

from .base import LossBalancer
from .checks import check_losses

__all__ = ["GLS"]

LEAST_LOSS = 1e-8


class GLS(LossBalancer):
    """Balance losses on different scales, with nothing to set.

    The objective is the geometric mean of the losses (Chennupati et al., `MultiNet++
    <https://arxiv.org/abs/1904.08492>`_, 2019), so a loss times a constant leaves every direction
    as it was. The weight of a task is the geometric mean over its loss: K times the gradient of
    the mean, so that equal losses weigh 1. Losses below 1e-8 count as 1e-8.

    Stability: experimental.

    Example:
        >>> GLS().weigh({"click": 1.0, "watch": 4.0})
        {'click': 2.0, 'watch': 0.5}

    Raises:
        TrainingError: a negative loss.
    """

    paper = "Chennupati et al. 2019"
    when = "losses on different scales that stay above 0; nothing to tune"

    def weigh(self, losses: Mapping[str, float]) -> dict[str, float]:
        """The geometric mean over each loss."""
        check_losses(self, losses)
        logs = {task: math.log(max(loss, LEAST_LOSS)) for task, loss in losses.items()}
        mean = sum(logs.values()) / len(logs)
        return {task: math.exp(mean - log) for task, log in logs.items()}
