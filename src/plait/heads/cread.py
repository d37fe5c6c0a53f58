"""Watch time by classification over adaptive thresholds, and restoration of the mean."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from plait.errors import TaskError
from plait.tasks import WatchTime

from .base import Head, Rows, TargetFacts
from .checks import check_learnable, check_not_negative
from .statistics import inner_rate, mean_and_spread, weighted_quantiles

_SMALLEST_STEP = 1e-4


class CREADHead(Head):
    """Read M numbers as the chances that the watch time w exceeds each of M thresholds.

    CREAD (Sun et al., `A Classification-Restoration Framework with Error Adaptive Discretization
    for Watch Time Prediction <https://arxiv.org/abs/2401.07521>`_, 2024), in these formulas:

    - Thresholds t_m = Q(g(m / (M + 1))), m = 1 to M, with Q the quantiles of the training labels
      and g(x) = (1 - exp(-alpha x)) / (1 - exp(-alpha)). At `alpha` 0, g(x) = x: bins of equal
      mass. A larger alpha moves thresholds towards the long watch times. The paper divides by M,
      which leaves its last threshold at the largest label, with nothing to classify.
    - Chances phi_m = P(w > t_m) = sigmoid(c_m), with c_1 = z_1 and c_m = c_(m-1) - softplus(z_m).
      They cannot increase in m, so the paper's penalty on increases falls away.
    - Restoration. The paper's sum over phi_m (t_m - t_(m-1)) counts every row as if it stopped at
      the lower edge of its bin. We add the mean excess over that edge among the training rows of
      the bin: with b_0 to b_M the mean labels of the M + 1 bins, the prediction is
      b_0 + sum over phi_m (b_m - b_(m-1)), which is the training mean at the base rates.
    - Loss: the mean over m of the cross-entropy of 1[w > t_m], plus `restoration_weight` times
      Huber's loss of prediction against w, both divided by the standard deviation of the labels.
      Huber's loss asks for something between mean and median: on long-tailed labels a large weight
      pulls predictions below the mean (exponential watch times: 5 % at 0.1, 14 % at 1, 0 at 0).

    Thresholds that coincide (many rows with the same label) leave empty bins, which do no harm.

    Stability: experimental.

    Args:
        task: a watch time of the form `cread`; `num_bins` is M.
        alpha: how far thresholds move towards the long watch times.
        restoration_weight: weight of the restoration in the loss.

    Raises:
        TaskError: `alpha` or `restoration_weight` is negative.

    Example:
        >>> head = CREADHead(WatchTime("seconds", duration="length", num_bins=2))
        >>> head.fit(TargetFacts(np.array([1.0, 2.0, 3.0]), np.ones(3)))
        >>> head.predict(head.initial_bias().reshape(1, 2), Rows())
        tensor([2.])
    """

    task: WatchTime
    thresholds: Tensor
    bin_means: Tensor
    base_rates: Tensor
    scale: Tensor

    def __init__(
        self, task: WatchTime, *, alpha: float = 0.0, restoration_weight: float = 0.1
    ) -> None:
        super().__init__(task)
        if not (alpha >= 0 and restoration_weight >= 0):
            raise TaskError(
                f"Task {task.name!r} (cread): `alpha` and `restoration_weight` must not be "
                f"negative, got {alpha} and {restoration_weight}."
            )
        self.alpha = alpha
        self.restoration_weight = restoration_weight
        self.register_buffer("thresholds", torch.arange(1.0, task.num_bins + 1))
        self.register_buffer("bin_means", torch.arange(0.0, task.num_bins + 1))
        self.register_buffer("base_rates", torch.full((task.num_bins,), 0.5))
        self.register_buffer("scale", torch.tensor(1.0))

    @property
    def out_features(self) -> int:
        """One number a threshold."""
        return self.task.num_bins

    def check(self, facts: TargetFacts) -> None:
        """Refuse negative labels.

        Raises:
            TaskError: naming the task, how many labels are bad, one of them, and the way out.
        """
        check_not_negative(self.task, facts)

    def fit(self, facts: TargetFacts) -> None:
        """Take thresholds, the mean label of each bin and the share of rows above each threshold.

        Raises:
            TaskError: labels outside the kind, none at all, or all the same.
        """
        self.check(facts)
        check_learnable(self.task, facts)
        levels = _levels(self.task.num_bins, self.alpha)
        thresholds = weighted_quantiles(facts.targets, facts.weights, levels)
        mass, means = _describe_bins(facts, thresholds)
        above = mass.sum() - np.cumsum(mass)[:-1]
        rates = inner_rate(above / mass.sum(), facts.targets.size)
        self.thresholds.copy_(torch.from_numpy(thresholds))
        self.bin_means.copy_(torch.from_numpy(means))
        self.base_rates.copy_(torch.from_numpy(rates))
        self.scale.fill_(mean_and_spread(facts.targets, facts.weights)[1])

    def initial_bias(self) -> Tensor:
        """The numbers for which the chances are the base rates and `predict` the mean, `[M]`."""
        logits = torch.logit(self.base_rates)
        steps = (logits[:-1] - logits[1:]).clamp(min=_SMALLEST_STEP)
        return torch.cat([logits[:1], torch.log(torch.expm1(steps))])

    def exceedance_logits(self, parameters: Tensor) -> Tensor:
        """Logits of the chances to exceed each threshold, never increasing; `[B, M]`."""
        first, rest = parameters[:, :1], parameters[:, 1:]
        return torch.cat([first, first - functional.softplus(rest).cumsum(dim=-1)], dim=-1)

    def loss(self, parameters: Tensor, target: Tensor, rows: Rows) -> Tensor:
        """Cross-entropy over the thresholds and Huber's loss of the restored mean; `[B]`."""
        logits = self.exceedance_logits(parameters)
        exceeds = (target.unsqueeze(-1) > self.thresholds).to(logits.dtype)  # [B, M]
        classification = functional.binary_cross_entropy_with_logits(
            logits, exceeds, reduction="none"
        ).mean(dim=-1)
        restoration = functional.huber_loss(
            self._restore(logits) / self.scale, target / self.scale, reduction="none"
        )
        return classification + self.restoration_weight * restoration

    def predict(self, parameters: Tensor, rows: Rows) -> Tensor:
        """Expected watch time in the label's own unit, `[B]`."""
        return self._restore(self.exceedance_logits(parameters))

    def _restore(self, logits: Tensor) -> Tensor:
        steps = self.bin_means[1:] - self.bin_means[:-1]
        return self.bin_means[0] + (torch.sigmoid(logits) * steps).sum(dim=-1)


def _levels(num_thresholds: int, alpha: float) -> NDArray[np.float64]:
    even = np.arange(1, num_thresholds + 1) / (num_thresholds + 1)
    if alpha == 0:
        return even
    return np.asarray(np.expm1(-alpha * even) / np.expm1(-alpha))


def _describe_bins(
    facts: TargetFacts, thresholds: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weight and mean label of each bin `[M + 1]`; an empty bin's mean is its lower edge."""
    bins = np.searchsorted(thresholds, facts.targets, side="left")
    size = len(thresholds) + 1
    mass = np.bincount(bins, weights=facts.weights, minlength=size)
    total = np.bincount(bins, weights=facts.weights * facts.targets, minlength=size)
    means = np.concatenate([[0.0], thresholds])
    np.divide(total, mass, out=means, where=mass > 0)
    return np.asarray(mass, dtype=np.float64), means
