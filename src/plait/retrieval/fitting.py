"""Training two towers on the positives of a log."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from plait.data.loading import BatchLoader
from plait.data.store import Store
from plait.errors import DataError
from plait.training import Training
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


def fit_towers(
    model: TwoTower,
    train: Store,
    pairs: Exposures,
    *,
    settings: Training,
    judge: Callable[[], Recall] | None = None,
    told: Callable[[Epoch], None] | None = None,
) -> FittedTowers:
    """Train both towers, and leave the weights of the best epoch in them.

    Args:
        model: to be trained.
        train: the training rows.
        pairs: those of `train`; their positives are learnt from.
        settings: rates, rows in a batch, epochs, patience and seed.
        judge: what says how good the model is after an epoch. None: the last epoch is the best.
        told: called after each epoch.

    Raises:
        DataError: fewer than two items among the positives.
    """
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
        train, settings.rows_per_batch(len(liked.rows)), seed=settings.seed, rows=liked.rows
    )
    objective = _Objective(model, ItemFrequency(liked.item), torch.from_numpy(weight), settings)
    total = len(loader) * settings.epochs
    stepper = Stepper(model, settings, total_steps=min(total, settings.max_steps or total))
    course, best, waited, begun = FittedTowers(), -np.inf, 0, time.monotonic()
    kept: dict[str, Tensor] = {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        for number in range(1, settings.epochs + 1):
            loss = _one_epoch(objective, loader, stepper, most=stepper.total_steps)
            with stepper.averaged():
                value = np.nan if judge is None else judge().value
                if judge is None or value > best or not kept:
                    kept = {name: t.detach().clone() for name, t in model.state_dict().items()}
                    best, waited, course.best = value, 0, number
                else:
                    waited += 1
            epoch = Epoch(number, loss, float(value), time.monotonic() - begun)
            course.epochs.append(epoch)
            log.info("epoch=%d loss=%.5f recall=%.5f", number, loss, value)
            if told is not None:
                told(epoch)
            if waited >= settings.patience or stepper.steps >= stepper.total_steps:
                break
    model.load_state_dict(kept)
    model.eval()
    return course


class _Objective:
    """The loss of a batch of positives, and what holds the looked-up vectors back."""

    def __init__(
        self, model: TwoTower, frequency: ItemFrequency, weight: Tensor, settings: Training
    ) -> None:
        self.model = model
        self.frequency = frequency
        self.weight = weight
        self.key_l2 = settings.key_l2

    def step(self, loader: BatchLoader) -> Iterator[Tensor]:
        """The loss of each batch of an epoch."""
        for batch in loader:
            found = self.model.train()(batch)
            items = batch.keys["item"]
            loss = in_batch_softmax(
                self.model.scores(found.user, found.item),
                items,
                self.frequency.log_q(items),
                self.weight[batch.rows],
            )
            if self.key_l2 > 0 and found.looked_up:
                norms = [vector.square().sum(dim=1).mean() for vector in found.looked_up]
                loss = loss + 0.5 * self.key_l2 * torch.stack(norms).sum()
            yield loss


def _one_epoch(objective: _Objective, loader: BatchLoader, stepper: Stepper, *, most: int) -> float:
    losses = []
    for loss in objective.step(loader):
        stepper.zero_grad()
        loss.backward()
        stepper.step()
        losses.append(float(loss.detach()))
        if stepper.steps >= most:
            break
    return float(np.mean(losses))


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
