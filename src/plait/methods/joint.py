"""Joint feature learning: one representation for all tasks, held where no task pulls hard."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from plait.balancing import Balancer
from plait.data.store import Store
from plait.errors import ArgumentTypeError, ConfigurationError
from plait.models import MultiTaskModel
from plait.settings import settings_of
from plait.tasks import Binary
from plait.training import Callback, History, Supervised, Trainer, Training
from plait.training.setup import expected_shares, labelled_rows, task_facts

from .base import Method
from .finite_difference import FiniteDifference
from .objective import JointFeatureObjective, shared_parameters
from .penalty import Penalty

__all__ = ["JointFeatures"]


@dataclass(frozen=True, kw_only=True)
class JointFeatures(Method):
    """Learn features that all tasks can use, by holding back gradients on the shared network.

    The objective is `Σ_k L_k + λR + H`. R is a penalty on the gradients of the tasks' losses by the
    dense shared parameters, those that are neither in a table nor a task's own; H is half the
    squared norm of these parameters (`dense_l2`) and of the vectors that a batch looked up
    (`row_l2`), on top of what `Training.weight_decay` and `Training.key_l2` do already. Tables are
    never part of R. With λ = 0 the run has the bits of supervised training.

    Each task's loss carries its own part of R, so that a balancer weighs both. The losses that are
    told and logged are those without R.

    Stability: experimental.

    Example:
        >>> method = JointFeatures(penalty=FiniteDifference(radius=0.2), min_positives=5)
        >>> method.to_json()["penalty"]
        {'name': 'FiniteDifference', 'radius': 0.2, 'alpha': 0.5}

    Attributes:
        penalty: what R is. None: `FiniteDifference()`.
        min_positives: a binary task with fewer positives than this in a batch is left out of R
            there: its gradient is mostly noise.
        dense_l2: factor of half the squared norm of the dense shared parameters.
        row_l2: factor of half the squared norm of all looked-up vectors, a row on average.

    Raises:
        ConfigurationError: a setting that is out of range.
        ArgumentTypeError: a penalty that is none.
    """

    kind: ClassVar[str] = "joint"

    penalty: Penalty | None = None
    min_positives: int = 10
    dense_l2: float = 0.0
    row_l2: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.penalty, Penalty | None):
            wanted = "a penalty, such as `FiniteDifference(radius=0.1)`"
            raise ArgumentTypeError("penalty", self.penalty, wanted=wanted)
        problems = [
            f"`{name}` must be at least 0, got {getattr(self, name)}"
            for name in ("min_positives", "dense_l2", "row_l2")
            if not 0 <= getattr(self, name) < math.inf
        ]
        if problems:
            raise ConfigurationError("JointFeatures: " + "; ".join(problems) + ".")

    def learn(
        self,
        model: MultiTaskModel,
        train: Store,
        valid: Store | None,
        *,
        objective: Supervised,
        settings: Training,
        balancer: Balancer | None = None,
        callbacks: Sequence[Callback] = (),
        folder: Path | None = None,
    ) -> History:
        """Train the model by an objective with R and H added to it.

        Raises:
            ConfigurationError: R can never act on this model and these rows.
        """
        return Trainer(
            model,
            settings,
            balancer=balancer,
            objective=self.objective(model, train, settings, supervised=objective),
            callbacks=callbacks,
            folder=folder,
        ).fit(train, valid)

    def objective(
        self,
        model: MultiTaskModel,
        train: Store,
        settings: Training,
        *,
        supervised: Supervised | None = None,
    ) -> JointFeatureObjective:
        """The objective alone, for a `Trainer` of your own.

        Args:
            model: to be trained.
            train: the training rows.
            settings: rows in a batch, and what holds back the vectors of users and items.
            supervised: the losses without R. None: those of the labels.

        Raises:
            ConfigurationError: R can never act on this model and these rows.
        """
        penalty = self.penalty or FiniteDifference()
        if penalty.factor > 0:
            _check_network(model)
            self._check_positives(model, train, settings)
        return JointFeatureObjective(
            supervised or Supervised(expected_shares(model, train), key_l2=settings.key_l2),
            penalty,
            min_positives=self.min_positives,
            dense_l2=self.dense_l2,
            row_l2=self.row_l2,
        )

    def to_json(self) -> dict[str, Any]:
        """The settings as plain data, those of the penalty among them."""
        penalty = settings_of(self.penalty or FiniteDifference())
        return {**super().to_json(), "penalty": penalty}

    def _check_positives(self, model: MultiTaskModel, train: Store, settings: Training) -> None:
        if not all(isinstance(task, Binary) for task in model.tasks.values()):
            return
        labelled = int(labelled_rows(train).sum())  # an epoch goes through no others
        rows = min(settings.rows_per_batch(labelled), labelled)
        facts = task_facts(model, train)
        share = rows * train.num_rows / max(1, labelled)
        expected = {
            name: share * fact.observed * fact.mean / settings.keep_negatives
            for name, fact in facts.items()
        }
        if all(count + 3 * math.sqrt(count) < self.min_positives for count in expected.values()):
            counts = ", ".join(f"{count:.1f} of {name!r}" for name, count in expected.items())
            raise ConfigurationError(
                f"JointFeatures: a batch of {rows} rows is to bring {counts}, and tasks with fewer "
                f"positives than `min_positives` = {self.min_positives} take no part in the "
                "penalty, so it would never act. Raise `batch_size`, or lower `min_positives`."
            )


def _check_network(model: MultiTaskModel) -> None:
    if not shared_parameters(model):
        raise ConfigurationError(
            f"JointFeatures: {type(model.architecture).__name__} has no dense shared parameters "
            "here, so there is nothing to hold back. Give it `layers`, or leave the method out."
        )
