"""Hybrid learning: a first layer from all rows, heads on top of it, then both together."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import torch

from plait.balancing import Balancer
from plait.data.store import Store
from plait.errors import ArgumentTypeError, ConfigurationError
from plait.models import MultiTaskModel
from plait.settings import settings_of
from plait.training import Callback, History, Objective, Supervised, Trainer, Training
from plait.training.setup import lacks_labels

from .anchored import Anchored
from .base import Method
from .first_layer import (
    first_layer,
    read_first_layer,
    representation_width,
    write_first_layer,
)
from .joint import JointFeatures
from .masked_fields import MaskedFields
from .penalty import Penalty
from .pretext import Pretext
from .pretraining import PretextObjective, with_decoder

__all__ = ["Hybrid"]


@dataclass(frozen=True, kw_only=True)
class Hybrid(Method):
    """Learn the first layer from rows without labels, then the tasks on top of it.

    Stage A learns tables and shared network by a pretext, from every training row and no label.
    Stage B fits towers and heads on it while it stands still, so that random heads do not spoil
    it. Stage C trains both, the first layer at a lower rate:

        Σ_k L_k  +  λ R(θ₁)  +  μ/2 ‖θ₁ - θ₁ᴬ‖²

    Where every training row has every label there is nothing unlabelled to learn from: the run is
    then the supervised one, to the last bit, and says so.

    Stability: experimental.

    Example:
        >>> Hybrid(pretext_epochs=5).to_json()["pretext"]
        {'name': 'MaskedFields', 'share': 0.3, 'most_ids': 10000, 'sampled': 1000}

    Attributes:
        pretext: what stage A learns. None: `MaskedFields()`.
        first_layer: folder `first_layer` of a run whose stage A is taken over in place of one's
            own: same features, same training rows, other tasks.
        pretext_epochs: passes of stage A over all training rows.
        pretext_table_rate: learning rate of the tables in stage A. Vectors start near 0, and what
            a pretext asks of them moves them little: the usual rate leaves them there.
        head_epochs: most passes of stage B over the labelled rows.
        head_rate: learning rate of stage B.
        first_layer_rate: factor of the dense rate on the shared network in stage C.
        penalty: R with its λ, on the shared network's dense parameters; None: none.
        anchor: μ, how strongly the dense part of the first layer is held where stage A left it.

    Raises:
        ConfigurationError: a setting that is out of range.
        ArgumentTypeError: a pretext or penalty that is none.
    """

    kind: ClassVar[str] = "hybrid"

    pretext: Pretext | None = None
    first_layer: str | None = None
    pretext_epochs: int = 10
    pretext_table_rate: float = 0.05
    head_epochs: int = 40
    head_rate: float = 0.01
    first_layer_rate: float = 0.2
    penalty: Penalty | None = None
    anchor: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.pretext, Pretext | None):
            wanted = "a pretext, such as `MaskedFields(share=0.3)`"
            raise ArgumentTypeError("pretext", self.pretext, wanted=wanted)
        if not isinstance(self.penalty, Penalty | None):
            wanted = "a penalty, such as `FiniteDifference(radius=0.1)`"
            raise ArgumentTypeError("penalty", self.penalty, wanted=wanted)
        problems = [
            f"`{name}` must be at least {least}, got {value}"
            for name, least in _LEAST.items()
            if not least <= (value := getattr(self, name)) < math.inf
        ]
        if self.pretext is not None and self.first_layer is not None:
            problems.append("`pretext` is not used beside `first_layer`; give one of the two")
        if problems:
            raise ConfigurationError("Hybrid: " + "; ".join(problems) + ".")

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
        """Heads on a first layer that learnt nothing, for comparison; then stages A, B and C.

        Raises:
            ConfigurationError: a feature is only known after the exposure.
            ArtifactError: `first_layer` is none.
        """
        random = None
        if valid is not None and self.prepares(train):
            _tell(callbacks, "heads, on a random first layer, for comparison")
            place = _inside(folder, "random_heads")
            random = self._heads(deepcopy(model), train, valid, settings, callbacks, place)
        history = super().fit(
            model,
            train,
            valid,
            settings=settings,
            balancer=balancer,
            callbacks=callbacks,
            folder=folder,
        )
        if random is not None and history.stages:
            history.notes.append(_verdict(history.stages[-1].best_mix, random.best_mix))
        return history

    def prepare(
        self,
        model: MultiTaskModel,
        train: Store,
        *,
        settings: Training,
        callbacks: Sequence[Callback] = (),
        folder: Path | None = None,
    ) -> None:
        """Stage A: leave a first layer in the model that no label has shaped.

        Raises:
            ConfigurationError: a feature is only known after the exposure.
            ArtifactError: `first_layer` is none.
        """
        if not self.prepares(train):
            return
        _check_exposure(model)
        if self.first_layer is not None:
            read_first_layer(model, train, Path(self.first_layer))
            return
        pretext = self.pretext or MaskedFields()
        _tell(callbacks, "first layer, from all rows")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            decoder = pretext.decoder(model, width=representation_width(model, train))
        with with_decoder(model, decoder):
            Trainer(
                model,
                replace(
                    settings,
                    epochs=self.pretext_epochs,
                    table_optimizer="adagrad",
                    table_learning_rate=self.pretext_table_rate,
                    max_steps=None,
                    keep_negatives=1.0,
                ),
                objective=PretextObjective(pretext),
                callbacks=callbacks,
                folder=_inside(folder, "pretext"),
            ).fit(train)
        if folder is not None:
            write_first_layer(model, train, folder / "first_layer")

    def prepares(self, train: Store) -> bool:
        """Where some label is missing, or a first layer was given."""
        return self.first_layer is not None or lacks_labels(train)

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
        """Stages B and C, from a first layer that is there already."""
        if not self.prepares(train):
            history = super().learn(
                model,
                train,
                valid,
                objective=objective,
                settings=settings,
                balancer=balancer,
                callbacks=callbacks,
                folder=folder,
            )
            history.notes.append(
                "Hybrid: every training row has every label, so the model learnt from the labels "
                "alone."
            )
            return history
        _tell(callbacks, "heads, on the first layer")
        heads = self._heads(model, train, valid, settings, callbacks, _inside(folder, "heads"))
        _tell(callbacks, "both together")
        history = Trainer(
            model,
            settings,
            balancer=balancer,
            objective=self._held(objective, model, train, settings),
            callbacks=callbacks,
            folder=folder,
            rates=dict.fromkeys(first_layer(model), self.first_layer_rate),
        ).fit(train, valid)
        history.stages.append(heads)
        return history

    def _heads(
        self,
        model: MultiTaskModel,
        train: Store,
        valid: Store | None,
        settings: Training,
        callbacks: Sequence[Callback],
        folder: Path | None,
    ) -> History:
        """Stage B: towers and heads, on a first layer that stands still."""
        with _standing_still(model):
            return Trainer(
                model,
                replace(
                    settings,
                    epochs=self.head_epochs,
                    learning_rate=self.head_rate,
                    max_steps=None,
                ),
                callbacks=callbacks,
                folder=folder,
            ).fit(train, valid)

    def _held(
        self, objective: Supervised, model: MultiTaskModel, train: Store, settings: Training
    ) -> Objective:
        """The objective of stage C: with R and L2-SP where they are asked for."""
        held: Objective = objective
        if self.penalty is not None:
            joint = JointFeatures(penalty=self.penalty)
            held = joint.objective(model, train, settings, supervised=objective)
        return Anchored(held, model, strength=self.anchor) if self.anchor > 0 else held

    def to_json(self) -> dict[str, Any]:
        """The settings as plain data, those of the pretext among them."""
        parts = {"pretext": self.pretext or MaskedFields(), "penalty": self.penalty}
        written = {n: None if part is None else settings_of(part) for n, part in parts.items()}
        if self.first_layer is not None:
            written["pretext"] = None
        return {**super().to_json(), **written}


SAYS_SOMETHING = 0.01
"""By how much heads on a learnt first layer have to be better than on a random one."""

_LEAST = {
    "pretext_epochs": 1,
    "pretext_table_rate": 0,
    "head_epochs": 1,
    "head_rate": 0,
    "first_layer_rate": 0,
    "anchor": 0,
}


@contextmanager
def _standing_still(model: MultiTaskModel) -> Iterator[None]:
    """The first layer needs no gradient for as long as this runs."""
    held = list(first_layer(model).values())
    for parameter in held:
        parameter.requires_grad = False
    try:
        yield
    finally:
        for parameter in held:
            parameter.requires_grad = True


def _check_exposure(model: MultiTaskModel) -> None:
    late = [name for name in model.layout.after if name in _features(model)]
    if late:
        raise ConfigurationError(
            f"Hybrid: {', '.join(map(repr, late))} is only known after the exposure. A first layer "
            "that learns from it tells the tasks what they are to predict. Leave it out of the "
            "features, or hide it from every task."
        )


def _features(model: MultiTaskModel) -> set[str]:
    columns = {c.name: c.feature for c in (*model.layout.ids, *model.layout.lists)}
    return {columns.get(entry, entry) for entry in model.shared_entries}


def _tell(callbacks: Sequence[Callback], stage: str) -> None:
    for callback in callbacks:
        callback.on_stage(stage)


def _inside(folder: Path | None, name: str) -> Path | None:
    return None if folder is None else folder / name


def _verdict(learnt: float, random: float) -> str:
    told = (
        f"Hybrid: on the validation rows heads alone reach a mix of {learnt:.4f} on the first "
        f"layer, and {random:.4f} on a random one."
    )
    if learnt - random > SAYS_SOMETHING:
        return told
    return (
        f"{told} What it learnt from rows without labels says little of the labels: hybrid "
        "learning is not likely to help here."
    )
