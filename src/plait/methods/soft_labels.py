"""Soft-label learning: an estimator trained on noisy labels labels the rows that have none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from plait.balancing import Balancer
from plait.data.store import Store
from plait.errors import ArgumentTypeError, ConfigurationError, UnknownNameError
from plait.heads import SoftHead
from plait.models import MultiTaskModel
from plait.tasks import Binary, Multiclass
from plait.training import Callback, History, Training
from plait.training.setup import labelled_rows, lacks_labels

from .base import Method, Plain
from .hybrid import Hybrid
from .joint import JointFeatures
from .soft_columns import SoftColumns
from .soft_course import SoftCourse
from .soft_objective import MODES, Mode

__all__ = ["SoftLabels"]

Estimator = Literal["ensemble", "dropout"]
ESTIMATORS: tuple[Estimator, ...] = ("ensemble", "dropout")


@dataclass(frozen=True, kw_only=True)
class SoftLabels(Method):
    """Let trained teachers say what the missing labels may be, and how sure the others are.

    1. `members` teachers are trained on the rows with labels, alike but for their seed.
    2. Their mean belief is calibrated on the validation rows: one temperature and bias a task.
    3. Where a `prior` is given, beliefs on rows without the label are shifted to have that mean.
    4. A fresh student learns from recorded labels, soft labels on rows that have one (ε, `mode`),
       and soft labels on rows that have none (β).

    "Without the label" is said task by task: an unclicked row lacks the conversion and has the
    click. Rows without any label stand behind the labelled rows of each batch, `companions` for
    each of them.

    Labels that are wrong at known rates: `bayes` asks what the true label is once the recorded one
    is known; `forward` compares the recorded label with what the noise makes of the prediction.
    Rates that are not given are estimated from the validation rows by confident learning. In both
    the mean of the trained model is that of the true labels, as far as the rates are right.

    Stability: experimental.

    Example:
        >>> method = SoftLabels(members=3, mode="bayes", missed={"buy": 0.2})
        >>> method.to_json()["missed"]
        {'buy': 0.2}

    Attributes:
        tasks: the tasks that take part. None: every binary, multiclass and regression task; with
            `bayes` and `forward` the binary and multiclass tasks whose rates are given, or all of
            them where none is.
        estimator: `ensemble` of members; `dropout`: voices of one teacher by Monte Carlo dropout.
            A single member is the moving average of one run's weights, as all trained models are.
        members: teachers, or voices of the one.
        mode: of labelled rows: `bootstrap`, `smooth`, `bayes` or `forward`.
        epsilon: ε, what the soft label takes of a recorded label's weight (`bootstrap`, `smooth`).
        last_epsilon: what ε falls to by the last step. None: it stays.
        unlabelled: β, weight of the rows without the label.
        ramp: epochs over which ε and β rise from 0: a network learns first what is sure.
        companions: rows without any label for each labelled row of a batch; 0: none.
        missed: by task, the chance that a yes is recorded as a no (a class as another), or the
            name of a raw column that holds it for each row.
        false: by task, the chance that a no is recorded as a yes, likewise.
        prior: by binary task, the mean of the true label on rows without it.
        rounds: most students, one after another; each teaches the next where it knows better.
        start: how teachers and student learn beside that. None: from labels alone; `Hybrid()`
            shares one first layer among them.

    Raises:
        ConfigurationError: a setting that is out of range.
        ArgumentTypeError: a start that is no such method.
    """

    kind: ClassVar[str] = "soft_labels"

    tasks: Sequence[str] | None = None
    estimator: Estimator = "ensemble"
    members: int = 5
    mode: Mode = "bootstrap"
    epsilon: float = 0.3
    last_epsilon: float | None = None
    unlabelled: float = 1.0
    ramp: float = 2.0
    companions: float = 4.0
    missed: Mapping[str, float | str] | None = None
    false: Mapping[str, float | str] | None = None
    prior: Mapping[str, float] | None = None
    rounds: int = 1
    start: Hybrid | JointFeatures | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.start, Hybrid | JointFeatures | None):
            wanted = "`Hybrid(...)` or `JointFeatures(...)`"
            raise ArgumentTypeError("start", self.start, wanted=wanted)
        problems = list(self._problems())
        if problems:
            raise ConfigurationError("SoftLabels: " + "; ".join(problems) + ".")

    @property
    def columns(self) -> tuple[str, ...]:
        """The raw columns that hold rates of noise."""
        given = (*(self.missed or {}).values(), *(self.false or {}).values())
        return tuple(dict.fromkeys(rate for rate in given if isinstance(rate, str)))

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
        """Train teachers, write their soft labels, train the student.

        Raises:
            ConfigurationError: no labelled or no validation rows, or a mode that a task cannot
                have.
            TaskError: the noise of a task's labels cannot be told.
            UnknownNameError: a setting names no task.
        """
        tasks = self._taking_part(model)
        if valid is None or not labelled_rows(train).any():
            what = (
                "no validation rows, which calibrate the teachers"
                if valid is None
                else ("no training row with a label, which teachers learn from")
            )
            raise ConfigurationError(f"SoftLabels: there are {what}. Give the split some.")
        (self.start or Plain()).prepare(
            model, train, settings=settings, callbacks=callbacks, folder=folder
        )
        course = SoftCourse(
            method=self,
            tasks=tasks,
            model=model,
            train=train,
            valid=valid,
            settings=settings,
            balancer=balancer,
            callbacks=callbacks,
            folder=folder,
        )
        if self._has_nothing_to_do(train, tasks):
            history = course.student(SoftColumns({}), {})
            history.notes.append(
                "Soft labels: epsilon is 0, and there are no rows without a label or `unlabelled` "
                "is 0, so the model learnt from the labels alone."
            )
            return history
        if not course.needs_teachers:
            noise = course.noise(None)
            history = course.student(SoftColumns({}), noise)
            history.noise = noise
            history.notes += course.told(noise)
            return history
        teachers = course.teachers()
        mixes = teachers.mixes
        noise = course.noise(teachers)
        for number in range(1, self.rounds):
            soft = course.soft_labels(teachers, noise, name=f"soft-{number}")
            student = course.fresh(seed=settings.seed + 1 + self.members + number)
            course.student(soft, noise, model=student, name=f"student-{number}")
            better = course.better(student, teachers)
            if better is None:
                break
            teachers = better
        soft = course.soft_labels(teachers, noise, name="soft")
        history = course.student(soft, noise)
        history.noise = noise
        history.notes += [
            *course.notes(soft),
            *course.told(noise),
            course.verdict(history, mixes),
        ]
        return history

    def to_json(self) -> dict[str, Any]:
        """The settings as plain data, those of the start among them."""
        return {**super().to_json(), "start": None if self.start is None else self.start.to_json()}

    def _taking_part(self, model: MultiTaskModel) -> tuple[str, ...]:
        for what in ("tasks", "missed", "false", "prior"):
            for name in getattr(self, what) or ():
                if name not in model.tasks:
                    raise UnknownNameError(name, what="task", known=model.tasks, where=f"`{what}`")
        fitting = [n for n in model.tasks if isinstance(model.head(n), SoftHead)]
        if self.mode in ("bayes", "forward") and self.tasks is None:
            named = {**(self.missed or {}), **(self.false or {})}
            fitting = [
                n
                for n in fitting
                if isinstance(model.tasks[n], Binary | Multiclass) and (n in named or not named)
            ]
        tasks = tuple(fitting if self.tasks is None else self.tasks)
        for name in tasks:
            self._check_task(model, name, fitting)
        if not tasks:
            raise ConfigurationError(
                "SoftLabels: no task takes soft labels. Binary, multiclass and regression tasks do."
            )
        return tasks

    def _check_task(self, model: MultiTaskModel, name: str, fitting: Sequence[str]) -> None:
        task = model.tasks[name]
        if name not in fitting:
            raise ConfigurationError(
                f"SoftLabels: task {name!r} is of the kind {task.kind!r}, which has no soft "
                "labels. Binary, multiclass and regression tasks have."
            )
        if self.mode in ("bayes", "forward"):
            if not isinstance(task, Binary | Multiclass):
                raise ConfigurationError(
                    f"SoftLabels: mode {self.mode!r} asks how often one class is recorded as "
                    f"another, and task {name!r} is of the kind {task.kind!r}. Leave it out of "
                    "`tasks`, or use 'bootstrap'."
                )
            if isinstance(task, Binary) and (task.positive_weight or task.focal_gamma):
                raise ConfigurationError(
                    f"SoftLabels: mode {self.mode!r} reads task {name!r} as a probability, which "
                    "`positive_weight` and `focal_gamma` bend. Drop them."
                )
        if name in (self.prior or {}) and not isinstance(task, Binary):
            raise ConfigurationError(
                f"SoftLabels: `prior` is the mean of a binary label, and task {name!r} is of the "
                f"kind {task.kind!r}. Leave it out."
            )

    def _has_nothing_to_do(self, train: Store, tasks: Sequence[str]) -> bool:
        if self.mode in ("bayes", "forward") or self.epsilon > 0:
            return False
        return self.unlabelled == 0 or not lacks_labels(train, tasks)

    def _problems(self) -> Iterator[str]:
        if self.mode not in MODES:
            yield f"`mode` is one of {', '.join(map(repr, MODES))}, got {self.mode!r}"
        if self.estimator not in ESTIMATORS:
            yield f"`estimator` is 'ensemble' or 'dropout', got {self.estimator!r}"
        for name, (least, most) in _RANGES.items():
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                yield f"`{name}` must lie in [{least:g}, {most:g}], got {value}"
        for task, rate in (self.prior or {}).items():
            if not 0 < rate < 1:
                yield f"`prior` of {task!r} must lie in (0, 1), got {rate}"
        yield from self._noise_problems()

    def _noise_problems(self) -> Iterator[str]:
        missed, false = self.missed or {}, self.false or {}
        for name, rates in (("missed", missed), ("false", false)):
            for task, rate in rates.items():
                if not isinstance(rate, str) and not 0 <= rate < 1:
                    yield f"`{name}` of {task!r} must lie in [0, 1), got {rate}"
        for task in (*missed, *(task for task in false if task not in missed)):
            pair = missed.get(task, 0.0), false.get(task, 0.0)
            total = sum(rate for rate in pair if not isinstance(rate, str))
            if total >= 1:
                yield (
                    f"`missed` and `false` of {task!r} sum to {total:g}: from 1 on a label says "
                    "nothing, or the opposite"
                )
        if self.mode not in ("bayes", "forward") and (missed or false):
            yield f"`missed` and `false` are read by 'bayes' and 'forward', not by {self.mode!r}"


_RANGES = {
    "members": (1, 1_000),
    "rounds": (1, 100),
    "epsilon": (0, 1),
    "last_epsilon": (0, 1),
    "unlabelled": (0, 1e6),
    "companions": (0, 1e6),
    "ramp": (0, 1e6),
}
