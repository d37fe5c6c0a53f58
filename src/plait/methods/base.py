"""The contract of a way to learn."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from plait.balancing import Balancer
from plait.data.store import Store
from plait.models import MultiTaskModel
from plait.settings import settings_of
from plait.training import Callback, History, Supervised, Trainer, Training
from plait.training.setup import expected_shares

__all__ = ["Method", "Plain"]


class Method(ABC):
    """A way to learn: what is done before any label is read, and what is minimised then.

    Stability: experimental.

    `prepare` shapes a model without labels, `learn` trains it; `fit` is the one after the other.
    They are apart so that ways to learn can stand on one another: soft labels ask another method
    for their teachers and their student.

    Attributes:
        kind: what it is called in a file.
        columns: raw columns that it reads beside features and labels.
    """

    kind: ClassVar[str]

    @property
    def columns(self) -> tuple[str, ...]:
        """None, unless the method says otherwise."""
        return ()

    def fit(
        self,
        model: MultiTaskModel,
        train: Store,
        valid: Store | None,
        *,
        settings: Training,
        balancer: Balancer | None = None,
        callbacks: Sequence[Callback] = (),
        folder: Path | None = None,
    ) -> History:
        """Train the model, and leave its best weights in it; goes on with what `folder` holds."""
        self.prepare(model, train, settings=settings, callbacks=callbacks, folder=folder)
        return self.learn(
            model,
            train,
            valid,
            objective=Supervised(expected_shares(model, train), key_l2=settings.key_l2),
            settings=settings,
            balancer=balancer,
            callbacks=callbacks,
            folder=folder,
        )

    def prepare(
        self,
        model: MultiTaskModel,
        train: Store,
        *,
        settings: Training,
        callbacks: Sequence[Callback] = (),
        folder: Path | None = None,
    ) -> None:
        """What is done before any label is read: nothing, unless the method says otherwise."""
        return

    def prepares(self, train: Store) -> bool:
        """Whether `prepare` shapes a first layer with these rows."""
        return False

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
        """Train a prepared model on labels: by this objective, unless the method adds to it."""
        return Trainer(
            model,
            settings,
            balancer=balancer,
            objective=objective,
            callbacks=callbacks,
            folder=folder,
        ).fit(train, valid)

    def to_json(self) -> dict[str, Any]:
        """The kind and the settings as plain data, for the run and the model card."""
        form = settings_of(self)
        del form["name"]
        return {"kind": self.kind, **form}


class Plain(Method):
    """Learn from the labels, and from nothing else."""

    kind: ClassVar[str] = "supervised"
