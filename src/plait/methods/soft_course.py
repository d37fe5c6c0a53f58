"""The steps of soft-label learning: teachers, noise, soft labels, student."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from plait.balancing import Balancer
from plait.data.store import Store
from plait.errors import TaskError
from plait.models import MultiTaskModel
from plait.training import Callback, History, NoisyRates, Supervised, Training
from plait.training.setup import expected_shares, lacks_labels, make_loader

from .base import Method, Plain
from .first_layer import first_layer
from .noise import as_classes, clean, confident_rates, from_classes, transition
from .soft_columns import SoftColumns, write_soft_columns
from .soft_objective import Schedule, SoftObjective
from .teachers import Teachers, aligned, calibrate, fresh_model, slices, soft_head

if TYPE_CHECKING:
    from .soft_labels import SoftLabels

__all__ = ["SoftCourse"]


@dataclass(frozen=True, kw_only=True)
class SoftCourse:
    """One run of soft-label learning: what it is made from, and its steps.

    Attributes:
        method: the settings.
        tasks: the tasks that take part.
        model: becomes the student; its first layer is what `method.start` prepared.
        train: the training rows.
        valid: the validation rows.
        settings: of every training in it; the seed is the student's.
        balancer: likewise; each training has a copy, since some remember what they saw.
        callbacks: told of every training in it.
        folder: where all of it is kept; None: nowhere.
    """

    method: SoftLabels
    tasks: tuple[str, ...]
    model: MultiTaskModel
    train: Store
    valid: Store
    settings: Training
    balancer: Balancer | None
    callbacks: Sequence[Callback]
    folder: Path | None

    @property
    def start(self) -> Method:
        """How teachers and student learn beside soft labels."""
        return self.method.start or Plain()

    def teachers(self) -> Teachers:
        """Trained on the labelled rows, and calibrated."""
        one_voice = self.method.estimator == "dropout"
        models, mixes = [], []
        for number in range(1 if one_voice else self.method.members):
            self._tell(f"teacher {number + 1} of {1 if one_voice else self.method.members}")
            seed = self.settings.seed + 1 + number
            teacher = self.fresh(seed=seed)
            history = self.start.learn(
                teacher,
                self.train,
                self.valid,
                objective=self._supervised(teacher),
                settings=replace(self.settings, seed=seed),
                balancer=deepcopy(self.balancer),
                callbacks=self.callbacks,
                folder=self._inside(f"teachers/{number}"),
            )
            models.append(teacher.eval())
            mixes.append(history.best_mix)
        draws = self.method.members if one_voice else 0
        return self._calibrated(Teachers(models, draws=draws, mixes=tuple(mixes)))

    @property
    def needs_teachers(self) -> bool:
        """Whether anything asks for a belief: `forward` with rates that are given needs none."""
        given = {**(self.method.missed or {}), **(self.method.false or {})}
        asked = self.method.unlabelled > 0 and lacks_labels(self.train, self.tasks)
        return self.method.mode != "forward" or asked or not set(self.tasks) <= given.keys()

    def noise(self, teachers: Teachers | None) -> dict[str, NoisyRates]:
        """The rates at which each task's labels are wrong, given or estimated.

        Raises:
            TaskError: rates that leave a label without a meaning, or that cannot be estimated.
        """
        if self.method.mode not in ("bayes", "forward"):
            return {}
        return {task: self._rates(task, teachers) for task in self.tasks}

    def soft_labels(
        self, teachers: Teachers, noise: Mapping[str, NoisyRates], *, name: str
    ) -> SoftColumns:
        """What the teachers believe of every training row, the noise and the prior seen to."""
        folder = self._inside(name)
        found = None if folder is None else SoftColumns.read(folder)
        if found is None:
            self._tell("soft labels")
            found = _kept(folder, self._beliefs(teachers, noise))
        for task, prior in (self.method.prior or {}).items():
            without = ~self.train.observed(task)
            if without.any():
                shift = aligned(found.columns[task][without], prior)
                found = found.shifted(task, without, shift)
        return found

    def student(
        self,
        soft: SoftColumns,
        noise: Mapping[str, NoisyRates],
        *,
        model: MultiTaskModel | None = None,
        name: str | None = None,
    ) -> History:
        """Train a student: the model itself in the run's folder, or another one elsewhere."""
        self._tell("student")
        taught = self.model if model is None else model
        objective = SoftObjective(
            expected_shares(taught, self.train),
            soft=soft,
            tasks=self.tasks,
            mode=self.method.mode,
            schedule=self._schedule(),
            noise=noise,
            key_l2=self.settings.key_l2,
            companions=self._companions() if soft.columns else 0.0,
        )
        return self.start.learn(
            taught,
            self.train,
            self.valid,
            objective=objective,
            settings=self.settings,
            balancer=deepcopy(self.balancer),
            callbacks=self.callbacks,
            folder=self.folder if name is None else self._inside(name),
        )

    def better(self, student: MultiTaskModel, teachers: Teachers) -> Teachers | None:
        """The student as a teacher, where it is less surprised by the validation labels."""
        one = self._calibrated(Teachers([student.eval()]))
        return one if self._surprise(one) < self._surprise(teachers) else None

    def fresh(self, *, seed: int) -> MultiTaskModel:
        """Another model with the prepared first layer, where the start prepares one."""
        fresh = fresh_model(self.model, seed=seed)
        if self.start.prepares(self.train):
            with torch.no_grad():
                prepared = first_layer(self.model)
                for name, parameter in first_layer(fresh).items():
                    parameter.copy_(prepared[name])
        return fresh

    def notes(self, soft: SoftColumns) -> list[str]:
        """What became of the rows without labels, in words."""
        told = []
        for task in self.tasks:
            without = ~self.train.observed(task)
            if without.any():
                said = f"Soft labels: {int(without.sum()):,} rows without the label of {task!r}"
                if soft_head(self.model, task).soft_width == 1:
                    mean, labels = soft.mean(task, without), self.train.labels(task)
                    said += (
                        f", believed positive at {mean:.4f}; on labelled rows the rate is "
                        f"{labels[self.train.observed(task)].mean():.4f}"
                    )
                told.append(said + ".")
        return told

    def told(self, noise: Mapping[str, NoisyRates]) -> list[str]:
        """How labels are read, in words."""
        return [f"Soft labels: labels of {t!r} are read as {r.told()}." for t, r in noise.items()]

    def verdict(self, student: History, mixes: Sequence[float]) -> str:
        """Whether the student is better than models that learnt from labels alone."""
        mean = float(np.mean(mixes))
        told = (
            f"Soft labels: on the validation rows the student reaches a mix of "
            f"{student.best_mix:.4f}; its teachers, from labels alone, {mean:.4f} on average."
        )
        if student.best_mix > mean:
            return told
        return f"{told} Soft labels do not help here."

    def _supervised(self, model: MultiTaskModel) -> Supervised:
        return Supervised(expected_shares(model, self.train), key_l2=self.settings.key_l2)

    def _calibrated(self, teachers: Teachers) -> Teachers:
        return replace(teachers, calibrations=calibrate(teachers, self.valid, self.tasks))

    def _surprise(self, teachers: Teachers) -> float:
        """Mean surprise of the validation labels, over the tasks."""
        found = []
        for task in self.tasks:
            counted = self.valid.observed(task) & (self.valid.weights(task) > 0)
            if counted.any():
                belief = self._beliefs_on_valid(teachers, task)[torch.from_numpy(counted)]
                target = torch.from_numpy(self.valid.labels(task)[counted])
                found.append(float(soft_head(self.model, task).surprise(belief, target).mean()))
        return float(np.mean(found))

    def _beliefs_on_valid(self, teachers: Teachers, task: str) -> Tensor:
        parts = [teachers.beliefs(self.valid, r, [task])[task] for r in slices(self.valid)]
        return torch.cat(parts)

    def _beliefs(
        self, teachers: Teachers, noise: Mapping[str, NoisyRates]
    ) -> Iterator[dict[str, NDArray[np.float32]]]:
        for rows in slices(self.train):
            found = teachers.beliefs(self.train, rows, self.tasks)
            for task, rates in noise.items():
                width = found[task].shape[1]
                # Teachers know nothing of a row's own rate: what they tell is recorded at the mean.
                missed, false = rates.mean().of(torch.arange(rows.start, rows.stop))
                table = transition(missed, false, num_classes=max(2, width))
                found[task] = from_classes(clean(as_classes(found[task]), table), width=width)
            yield {task: soft.numpy() for task, soft in found.items()}

    def _rates(self, task: str, teachers: Teachers | None) -> NoisyRates:
        given = [self._given(task, rates) for rates in (self.method.missed, self.method.false)]
        width = soft_head(self.model, task).soft_width
        if all(rate is None for rate in given):
            assert teachers is not None
            counted = self.valid.observed(task) & (self.valid.weights(task) > 0)
            belief = as_classes(self._beliefs_on_valid(teachers, task)[torch.from_numpy(counted)])
            labels = self.valid.labels(task)[counted].astype(np.int64)
            table = confident_rates(labels, belief.double().numpy(), task=task)
            missed, false = float(1 - table.diagonal()[1:].mean()), float(1 - table[0, 0])
            found = NoisyRates(missed if width == 1 else float(1 - table.diagonal().mean()), false)
        else:
            found = NoisyRates(*(0.0 if rate is None else rate for rate in given))
        found.check(task, num_classes=max(2, width))
        return found

    def _given(
        self, task: str, rates: Mapping[str, float | str] | None
    ) -> float | NDArray[np.float32] | None:
        rate = (rates or {}).get(task)
        if not isinstance(rate, str):
            return None if rate is None else float(rate)
        counted = self.train.observed(task) & (self.train.weights(task) > 0)
        column = self.train.frame([rate]).to_series()
        told = column.filter(pl.Series(counted))
        if told.null_count():
            raise TaskError(
                f"Task {task!r}: the column {rate!r} holds the chance that a label is wrong, and "
                f"is null on {told.null_count():,} training rows with a label. Fill it; 0: a sure "
                "label."
            )
        # Rows without a label have none that could be wrong; they stand for the others' mean.
        found: NDArray[np.float32] = column.fill_null(0.0).to_numpy().astype(np.float32)
        return np.where(counted, found, found[counted].mean(dtype=np.float64)).astype(np.float32)

    def _schedule(self) -> Schedule:
        epoch = len(make_loader(self.model, self.train, self.settings))
        steps = epoch * self.settings.epochs
        if self.settings.max_steps is not None:
            steps = min(steps, self.settings.max_steps)
        return Schedule(
            epsilon=self.method.epsilon,
            last_epsilon=self.method.last_epsilon,
            unlabelled=self.method.unlabelled,
            ramp=round(self.method.ramp * epoch),
            steps=steps,
        )

    def _companions(self) -> float:
        return self.method.companions if self.method.unlabelled > 0 else 0.0

    def _inside(self, name: str) -> Path | None:
        return None if self.folder is None else self.folder / name

    def _tell(self, stage: str) -> None:
        for callback in self.callbacks:
            callback.on_stage(stage)


def _kept(folder: Path | None, parts: Iterator[dict[str, NDArray[np.float32]]]) -> SoftColumns:
    """Soft labels on disk; in memory where there is no folder."""
    if folder is not None:
        return write_soft_columns(folder, parts)
    whole = list(parts)
    return SoftColumns({task: np.concatenate([p[task] for p in whole]) for task in whole[0]})
