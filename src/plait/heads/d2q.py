"""Watch time as a quantile among videos of like duration."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from plait.tasks import WatchTime

from .base import Head, Rows, TargetFacts
from .checks import check_column, check_learnable, check_not_negative, read_column
from .statistics import equal_mass_edges, weighted_quantiles

_NUM_LEVELS = 101


class D2QHead(Head):
    """Read one logit as the quantile of a watch time among videos of like duration.

    Duration-deconfounded quantiles (Zhan et al., `Deconfounding Duration Bias in Watch-time
    Prediction for Video Recommendation <https://arxiv.org/abs/2206.06003>`_, 2022). Training rows
    are cut into `num_bins` groups of equal mass by duration. Within group k the distribution F_k of
    watch times is kept as its 101 percentiles, joined by straight lines. The loss is
    (sigmoid(z) - F_k(w))^2 and the prediction the inverse, F_k at sigmoid(z) read backwards. Where
    many rows share a watch time (a zero, the full length) F_k jumps; the label is then the middle
    of the jump, whose inverse is that watch time again.

    The duration comes with the rows and should not also be a feature that this task reads: hide it
    (`WatchTime.hide`), or the network learns the bias that the groups take out. The squared error
    is least at the mean *quantile*, so the prediction resembles a median more than a mean.

    Stability: experimental.

    Example:
        >>> head = D2QHead(WatchTime("seconds", duration="length", form="d2q", num_bins=2))
        >>> watched, length = np.arange(1.0, 7.0), np.array([10.0] * 3 + [60.0] * 3)
        >>> head.fit(TargetFacts(watched, np.ones(6), {"duration": length}))
        >>> head.predict(torch.zeros(2, 1), Rows(extras={"duration": torch.tensor([10.0, 60.0])}))
        tensor([2., 5.])
    """

    task: WatchTime
    edges: Tensor
    quantiles: Tensor

    def __init__(self, task: WatchTime) -> None:
        super().__init__(task)
        self.register_buffer("edges", torch.arange(1.0, task.num_bins))
        even = torch.linspace(0.0, 1.0, _NUM_LEVELS)
        self.register_buffer("quantiles", even.repeat(task.num_bins, 1))

    @property
    def out_features(self) -> int:
        """Logit of a quantile."""
        return 1

    def check(self, facts: TargetFacts) -> None:
        """Refuse negative labels, and durations that are not positive.

        Raises:
            TaskError: naming the task, how many rows are bad, one value, and the way out.
        """
        check_not_negative(self.task, facts)
        duration = read_column(self.task, facts.extras, "duration")
        check_column(
            self.task,
            duration,
            bad=~(np.isfinite(duration) & (duration > 0)),
            what="duration",
            expected="a positive number",
            way_out=f"Correct `duration` ({self.task.duration!r}), or make the label null there.",
        )

    def fit(self, facts: TargetFacts) -> None:
        """Take the duration groups, and the percentiles of watch time within each.

        Raises:
            TaskError: labels outside the kind, none at all, or all the same.
        """
        self.check(facts)
        check_learnable(self.task, facts)
        duration, num_bins = facts.extras["duration"], self.task.num_bins
        edges = equal_mass_edges(duration, facts.weights, num_bins)
        bins = np.searchsorted(edges, duration, side="left")
        levels = np.linspace(0.0, 1.0, _NUM_LEVELS)
        rows: list[NDArray[np.float64]] = []
        for index in range(num_bins):
            inside = (bins == index) & (facts.weights > 0)
            # Durations that tie leave groups without rows: they read as the group before.
            rows.append(
                weighted_quantiles(facts.targets[inside], facts.weights[inside], levels)
                if inside.any()
                else rows[-1]
            )
        self.edges.copy_(torch.from_numpy(edges))
        self.quantiles.copy_(torch.from_numpy(np.stack(rows)))

    def initial_bias(self) -> Tensor:
        """Zero, `[1]`: the mean of the quantiles, which predicts the median of each group."""
        return self.edges.new_zeros(1)

    def loss(self, parameters: Tensor, target: Tensor, rows: Rows) -> Tensor:
        """Squared error of the quantile; `[B]`."""
        return (torch.sigmoid(parameters.squeeze(-1)) - self.quantile(target, rows)).square()

    def predict(self, parameters: Tensor, rows: Rows) -> Tensor:
        """Watch time in the label's own unit, `[B]`."""
        percentiles = self._percentiles(rows)
        place = torch.sigmoid(parameters.squeeze(-1)) * (_NUM_LEVELS - 1)  # [B]
        lower = place.floor().clamp(max=_NUM_LEVELS - 2)
        index = lower.long().unsqueeze(-1)
        low = percentiles.gather(-1, index).squeeze(-1)
        high = percentiles.gather(-1, index + 1).squeeze(-1)
        return low + (place - lower) * (high - low)

    def quantile(self, target: Tensor, rows: Rows) -> Tensor:
        """Quantile of each watch time within its duration group, 0 to 1; `[B]`."""
        percentiles = self._percentiles(rows)
        values = target.to(percentiles.dtype).unsqueeze(-1)
        first, last = _below(percentiles, values), _above(percentiles, values)
        return ((first + last) / (2 * (_NUM_LEVELS - 1))).squeeze(-1)

    def _percentiles(self, rows: Rows) -> Tensor:
        duration = read_column(self.task, rows.extras, "duration")
        return self.quantiles[torch.bucketize(duration.to(self.edges.dtype), self.edges)]  # [B, Q]


def _below(percentiles: Tensor, values: Tensor) -> Tensor:
    """Where in a row of percentiles the run that equals the value begins."""
    upper = torch.searchsorted(percentiles, values).clamp(1, _NUM_LEVELS - 1)
    low, high = percentiles.gather(-1, upper - 1), percentiles.gather(-1, upper)
    return upper - 1 + ((values - low) / _width(low, high)).clamp(0, 1)


def _above(percentiles: Tensor, values: Tensor) -> Tensor:
    """Where in a row of percentiles the run that equals the value ends."""
    upper = torch.searchsorted(percentiles, values, right=True).clamp(1, _NUM_LEVELS - 1)
    low, high = percentiles.gather(-1, upper - 1), percentiles.gather(-1, upper)
    return upper - ((high - values) / _width(low, high)).clamp(0, 1)


def _width(low: Tensor, high: Tensor) -> Tensor:
    return (high - low).clamp(min=torch.finfo(low.dtype).tiny)
