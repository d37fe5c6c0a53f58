"""Training two towers on the positives of a log."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from plait.data.loading import BatchLoader
from plait.data.store import Store
from plait.errors import ConfigurationError, DataError, TrainingInterrupted
from plait.training import Engine, Training
from plait.training.allocator import keeping_freed_memory
from plait.training.checkpoint import read_checkpoint, write_checkpoint
from plait.training.interrupts import Interrupt, catch_interrupts
from plait.training.precision import multiplying
from plait.training.setup import batches_ahead
from plait.training.stepping import Stepper

from .exposures import Catalogue, Exposures, Floats
from .judging import Judge, Recall
from .softmax import ItemFrequency, in_batch_softmax
from .towers import TwoTower

__all__ = ["Epoch", "FittedTowers", "fit_towers", "judged", "vectors_of"]

log = logging.getLogger(__name__)

CHUNK = 8192
"""Rows whose vectors are made at once."""


@dataclass(frozen=True)
class Epoch:
    """What one pass over the positives gave.

    Attributes:
        number: from 1.
        loss: mean over its batches.
        recall: on the validation rows; nan without any.
        seconds: since the beginning.
    """

    number: int
    loss: float
    recall: float
    seconds: float


@dataclass
class FittedTowers:
    """What happened in training.

    Attributes:
        epochs: one after another.
        best: the number of the one whose weights were kept.
    """

    epochs: list[Epoch] = field(default_factory=list)
    best: int = 0

    def to_json(self) -> dict[str, Any]:
        """As plain data; null where there is no number."""
        rows = [asdict(epoch) for epoch in self.epochs]
        for row in rows:
            row["recall"] = None if np.isnan(row["recall"]) else row["recall"]
        return {"epochs": rows, "best": self.best}

    @classmethod
    def from_json(cls, form: Mapping[str, Any]) -> FittedTowers:
        """From what `to_json` gave."""
        rows = [
            {**row, "recall": math.nan if row["recall"] is None else row["recall"]}
            for row in form["epochs"]
        ]
        return cls([Epoch(**row) for row in rows], form["best"])


def fit_towers(
    model: TwoTower,
    train: Store,
    pairs: Exposures,
    *,
    settings: Training,
    judge: Callable[[], Recall] | None = None,
    told: Callable[[Epoch], None] | None = None,
    folder: Path | None = None,
) -> FittedTowers:
    """Train both towers, and leave the weights of the best epoch in them.

    A run that is stopped and taken up again gives the bits of one that never was.

    Args:
        model: to be trained.
        train: the training rows.
        pairs: those of `train`; their positives are learnt from.
        settings: rates, rows in a batch, epochs, patience and seed.
        judge: what says how good the model is after an epoch. None: the last epoch is the best.
        told: called after each epoch.
        folder: where a checkpoint is written after each epoch, and when the run is asked to stop.
            One that lies there is taken up. None: none.

    Raises:
        ConfigurationError: a setting that has no meaning for two towers.
        DataError: fewer than two items among the positives.
        TrainingInterrupted: SIGINT or SIGTERM came; a checkpoint was written first.
    """
    _check(settings)
    liked = pairs.positives()
    if len(np.unique(liked.item)) < 2:
        raise DataError(
            f"The training rows hold {len(liked.rows):,} positives of "
            f"{len(np.unique(liked.item)):,} items, and two towers learn by telling items apart. "
            "See that `positives` names the right tasks and that their labels are there."
        )
    weight = np.zeros(train.num_rows, dtype=np.float32)
    weight[liked.rows] = liked.weight
    loader = BatchLoader(
        train,
        settings.rows_per_batch(len(liked.rows)),
        seed=settings.seed,
        prefetch=batches_ahead(model, settings),
        rows=liked.rows,
    )
    objective = _Objective(model, ItemFrequency(liked.item), torch.from_numpy(weight), settings)
    total = len(loader) * settings.epochs
    engine: Engine = "compiled" if settings.engine == "compiled" else "torch"
    most = min(total, settings.max_steps or total)
    stepper = Stepper(model, settings, total_steps=most, engine=engine)
    course = _Course(model, loader, stepper, settings, folder)
    with (
        keeping_freed_memory(wanted=settings.keep_memory),
        torch.random.fork_rng(devices=[]),
        catch_interrupts() as interrupt,
    ):
        torch.manual_seed(settings.seed)
        course.resume()
        while not course.is_over:
            loss = course.one_epoch(objective, interrupt)
            with stepper.averaged():
                epoch = course.judged(loss, np.nan if judge is None else judge().value)
            log.info("epoch=%d loss=%.5f recall=%.5f", epoch.number, loss, epoch.recall)
            course.checkpoint()
            if told is not None:
                told(epoch)
    model.load_state_dict(course.kept)
    model.eval()
    return course.told


NO_MEANING = {
    "accumulate": "the items of a batch are the wrong answers for one another",
    "evaluate_steps": "recall is judged once an epoch",
    "keep_negatives": "only positives are learnt from",
    "monitor": "recall is what stopping reads",
    "shuffle_rows": "the positives are shuffled as a whole",
}
"""Settings of `Training` that towers do not read, and why."""


def _check(settings: Training) -> None:
    plain = Training()
    for name, why in NO_MEANING.items():
        if getattr(settings, name) != getattr(plain, name):
            raise ConfigurationError(
                f"`{name}` of Training has no meaning for two towers: {why}. Leave it out."
            )


class _Course:
    """Where a training of towers stands, and the checkpoint that says so."""

    def __init__(
        self,
        model: TwoTower,
        loader: BatchLoader,
        stepper: Stepper,
        settings: Training,
        folder: Path | None,
    ) -> None:
        self.model = model
        self.loader = loader
        self.stepper = stepper
        self.settings = settings
        self.folder = folder
        self.told = FittedTowers()
        self.kept: dict[str, Tensor] = {}
        self._best, self._waited = -math.inf, 0
        self._losses: list[float] = []
        self._seconds_before, self._begun = 0.0, time.monotonic()

    @property
    def is_over(self) -> bool:
        """Whether no epoch is left, or none was better for too long."""
        return not self._losses and (
            len(self.told.epochs) >= self.settings.epochs
            or self._waited >= self.settings.patience
            or not self._is_short_of_steps
        )

    @property
    def _is_short_of_steps(self) -> bool:
        return self.stepper.steps < self.stepper.total_steps

    def one_epoch(self, objective: _Objective, interrupt: Interrupt) -> float:
        """Step through what is left of an epoch; the mean loss over all of its batches."""
        batches = objective.losses(self.loader) if self._is_short_of_steps else ()
        for loss in batches:
            self.stepper.zero_grad()
            loss.backward()
            self.stepper.step()
            self._losses.append(float(loss.detach()))
            if interrupt.signal is not None:
                self.checkpoint()
                place = None if self.folder is None else str(self.folder)
                raise TrainingInterrupted(interrupt.signal, folder=place)
            if not self._is_short_of_steps:
                break
        mean = float(np.mean(self._losses))
        self._losses = []
        return mean

    def judged(self, loss: float, value: float) -> Epoch:
        """Note an epoch, and keep the weights, as they now are, where they are the best."""
        number = len(self.told.epochs) + 1
        if math.isnan(value) or value > self._best or not self.kept:
            self.kept = {name: t.detach().clone() for name, t in self.model.state_dict().items()}
            self._best, self._waited, self.told.best = value, 0, number
        else:
            self._waited += 1
        epoch = Epoch(number, loss, float(value), self._seconds())
        self.told.epochs.append(epoch)
        return epoch

    def checkpoint(self) -> None:
        """Write down everything that changes between steps."""
        if self.folder is None:
            return
        tensors = {f"model.{name}": t for name, t in self.model.state_dict().items()}
        tensors |= {f"kept.{name}": t for name, t in self.kept.items()}
        tensors |= self.stepper.state_dict() | {"rng": torch.get_rng_state()}
        state = {
            "steps": self.stepper.steps,
            "loader": self.loader.state_dict(),
            "course": self.told.to_json(),
            "waited": self._waited,
            "losses": self._losses,
            "seconds": self._seconds(),
        }
        write_checkpoint(self.folder / "checkpoint", tensors, state)

    def resume(self) -> None:
        """Take up the checkpoint, where there is one."""
        found = None if self.folder is None else read_checkpoint(self.folder / "checkpoint")
        if found is None:
            return
        tensors, state = found
        self.model.load_state_dict(_beginning_with("model.", tensors))
        self.kept = _beginning_with("kept.", tensors)
        self.stepper.load_state_dict(tensors, steps=state["steps"])
        torch.set_rng_state(tensors["rng"])
        place = state["loader"]
        if place["position"] >= len(self.loader) and not state["losses"]:
            place = {**place, "epoch": place["epoch"] + 1, "position": 0}  # that epoch was judged
        self.loader.load_state_dict(place)
        self.told = FittedTowers.from_json(state["course"])
        if self.told.best:
            self._best = self.told.epochs[self.told.best - 1].recall
        self._waited, self._losses = state["waited"], state["losses"]
        self._seconds_before = state["seconds"]

    def _seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._begun


def _beginning_with(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)}


class _Objective:
    """The loss of a batch of positives, and what holds the looked-up vectors back."""

    def __init__(
        self, model: TwoTower, frequency: ItemFrequency, weight: Tensor, settings: Training
    ) -> None:
        self.model = model
        self.frequency = frequency
        self.weight = weight
        self.settings = settings

    def losses(self, loader: BatchLoader) -> Iterator[Tensor]:
        """The loss of each batch of what is left of an epoch."""
        for batch in loader:
            with multiplying(self.settings.precision, batch.ids.device):
                found = self.model.train()(batch)
                scores = self.model.scores(found.user, found.item)
            items = batch.keys["item"]
            loss = in_batch_softmax(
                scores.float(),
                items,
                self.frequency.log_q(items),
                self.weight[batch.rows],
            )
            if self.settings.key_l2 > 0 and found.looked_up:
                norms = [vector.square().sum(dim=1).mean() for vector in found.looked_up]
                loss = loss + 0.5 * self.settings.key_l2 * torch.stack(norms).sum()
            yield loss


def judged(
    model: TwoTower, train: Store, catalogue: Catalogue, judge: Judge, part: Store, k: int
) -> Recall:
    """The recall of a model, as it is."""
    users = vectors_of(model, part, judge.rows, side="user")
    items = vectors_of(model, train, catalogue.rows, side="item")
    return judge.recall(users, items, k)


def vectors_of(model: TwoTower, store: Store, rows: NDArray[np.int64], *, side: str) -> Floats:
    """The vectors of one side for some rows of a store, float32 `[N, width]`."""
    model.eval()
    parts = [np.empty((0, model.width), dtype=np.float32)]
    with torch.inference_mode():
        for begin in range(0, len(rows), CHUNK):
            batch = store.batch(rows[begin : begin + CHUNK])
            parts.append(model.vectors(batch, side).numpy())
    return np.concatenate(parts)
