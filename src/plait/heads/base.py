"""The contract of a head: how a kind of task reads the network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from plait.tasks import Task


class Rows(NamedTuple):
    """What a head may read of a batch besides its own parameters and the label.

    Attributes:
        observed: bool `[B]`; rows whose label counts. None: all.
        extras: float `[B]` by name, the columns of `Task.extras()`.
        groups: int64 `[B]`, equal within a request; None where the schema has no requests.
    """

    observed: Tensor | None = None
    extras: Mapping[str, Tensor] = {}
    groups: Tensor | None = None


@dataclass(frozen=True)
class TargetFacts:
    """The observed training labels of one task, for a head to fit its bins and scales on.

    Attributes:
        targets: float64 `[n]`, the observed labels.
        weights: float64 `[n]`, their weights.
        extras: float64 `[n]` by name.
    """

    targets: NDArray[np.float64]
    weights: NDArray[np.float64]
    extras: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)


class Head(nn.Module, ABC):
    """How one task reads the network: parameters of a distribution, a loss, a prediction.

    Stability: experimental.

    Everything before `predict` is a logit or another unbounded parameter. A head holds no weights
    of the network; what it learns from the training labels (bins, scales, base rates) are buffers,
    filled by `fit` and saved with the model.
    """

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.task = task

    @property
    @abstractmethod
    def out_features(self) -> int:
        """How many parameters the head reads for each row."""

    @property
    def needs_calibration(self) -> bool:
        """Whether `calibrate` should be called once the model is trained."""
        return False

    def calibrate(self, parameters: Tensor, target: Tensor, weights: Tensor) -> None:
        """Learn what only a trained model can teach, from `[n, out]`, labels and weights `[n]`."""
        return

    @abstractmethod
    def check(self, facts: TargetFacts) -> None:
        """Refuse labels that are outside the task's kind (`TaskError`)."""

    @abstractmethod
    def fit(self, facts: TargetFacts) -> None:
        """Take bins, scales and base rates from the training labels."""

    @abstractmethod
    def initial_bias(self) -> Tensor:
        """Bias of the last layer with which an untrained model predicts the base rate, `[out]`."""

    @abstractmethod
    def loss(self, parameters: Tensor, target: Tensor, rows: Rows) -> Tensor:
        """Loss of each row `[B]`, from parameters `[B, out]` and labels `[B]`."""

    @abstractmethod
    def predict(self, parameters: Tensor, rows: Rows) -> Tensor:
        """Prediction in the label's own unit, `[B]`, or `[B, C]` for several classes."""
