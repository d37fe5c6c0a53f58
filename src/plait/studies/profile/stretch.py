"""A short stretch of real training: the trainer itself, its steps under a clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from plait.balancing import Balancer, Equal
from plait.data.store import Store
from plait.models import MultiTaskModel
from plait.training import Callback, Engine, History, StepReport, Trainer, Training, engine_for

from .clock import Clock
from .limit import Limit, machine_limit
from .stages import STAGES, TimedBalancer, timed_optimizers, timed_stages

__all__ = ["Learner", "Stretch", "measure_steps"]

MOST_STEPS = 200
FEWEST_STEPS = 3
WARM_UP_STEPS = (3, 50)
"""Steps before the first that counts: at least, and at most. They compile, allocate and settle."""
WARM_UP_SHARE = 0.1
"""Part of the seconds that the warm-up takes, between these two."""


@dataclass(frozen=True)
class Stretch:
    """Training steps that were measured.

    Attributes:
        engine: what worked on rows of tables and on layers.
        batch_size: rows that a step was to have.
        warm_up: steps before, which do not count.
        steps: steps that do.
        rows: rows in them.
        wall: seconds from the first to the last, waiting and bookkeeping included.
        seconds: the same by stage (`STAGES`); what is missing to `wall` lies between the stages.
        limit: what the machine could do with batches of this size.
    """

    engine: Engine
    batch_size: int
    warm_up: int
    steps: int
    rows: int
    wall: float
    seconds: Mapping[str, float]
    limit: Limit

    @property
    def other(self) -> float:
        """Seconds that no stage was charged."""
        return max(0.0, self.wall - sum(self.seconds.values()))

    @property
    def rows_per_second(self) -> float:
        """Rows over wall time."""
        return self.rows / self.wall

    @property
    def limit_share(self) -> float:
        """Part of the machine's limit that was reached."""
        return self.rows_per_second / self.limit.rows_per_second


class Learner(Protocol):
    """A way to learn: anything that trains a model as `Trainer` does."""

    def fit(
        self,
        model: MultiTaskModel,
        train: Store,
        valid: Store | None,
        *,
        settings: Training,
        balancer: Balancer | None,
        callbacks: Sequence[Callback],
    ) -> History:
        """Train the model, and tell the callbacks of every step."""


def measure_steps(
    model: MultiTaskModel,
    train: Store,
    settings: Training,
    *,
    seconds: float,
    balancer: Balancer | None = None,
    method: Learner | None = None,
) -> Stretch:
    """Train for so many seconds, or 200 steps, and say where the time went.

    The steps are those of `Trainer`, with nothing left out but evaluations and checkpoints. The
    weights of the model move; nothing is written.

    Raises:
        TrainingError: a loss stays not finite.
        TrainingInterrupted: SIGINT or SIGTERM came.
    """
    device = next(model.parameters()).device
    clock = Clock(device)
    batch_size = settings.rows_per_batch(train.num_rows)
    watcher = _Watcher(clock, seconds, limit=partial(machine_limit, model, rows=batch_size))
    most = WARM_UP_STEPS[1] + MOST_STEPS
    learn = partial(
        (method or _Supervised()).fit,
        settings=replace(settings, epochs=most, max_steps=most, evaluate_steps=None),
        balancer=TimedBalancer(balancer or Equal(), clock),
        callbacks=(watcher,),
    )
    with timed_stages(model, clock), timed_optimizers(clock), suppress(_Enough):
        learn(model, train, None)
    assert watcher.limit is not None
    return Stretch(
        engine=engine_for(settings, num_rows=train.num_rows, device=device),
        batch_size=batch_size,
        warm_up=watcher.warm_up,
        steps=watcher.steps,
        rows=watcher.rows,
        wall=watcher.wall,
        seconds={name: clock.seconds.get(name, 0.0) for name in STAGES},
        limit=watcher.limit,
    )


class _Supervised:
    """The trainer alone."""

    def fit(
        self,
        model: MultiTaskModel,
        train: Store,
        valid: Store | None,
        *,
        settings: Training,
        balancer: Balancer | None,
        callbacks: Sequence[Callback],
    ) -> History:
        return Trainer(model, settings, balancer=balancer, callbacks=callbacks).fit(train, valid)


class _Enough(Exception):  # noqa: N818 (it is no error)
    """Enough was measured: training ends, however deep it runs."""


class _Watcher(Callback):
    """Starts the clock anew after the warm-up, and ends training when enough was measured.

    The machine's limit is measured in between: in the midst of training, under what the trainer
    has set for its steps.
    """

    def __init__(self, clock: Clock, seconds: float, *, limit: Callable[[], Limit]) -> None:
        self.limit: Limit | None = None
        self.warm_up = self.steps = self.rows = 0
        self.wall = 0.0
        self._clock = clock
        self._seconds = seconds
        self._measure_limit = limit
        self._began = clock.now()

    def on_start(self, *, steps_done: int, total_steps: int) -> None:
        """The warm-up begins."""
        self._clock.switch("batch")
        self._began = self._clock.restart()

    def on_step(self, report: StepReport) -> None:
        """Count the step; see whether the warm-up or the stretch is over."""
        self._clock.switch("batch")
        self.wall = self._clock.now() - self._began
        if self.limit is None:
            self._warm_up()
            return
        self.steps += 1
        self.rows += report.rows
        if self.steps >= (FEWEST_STEPS if self.wall >= self._seconds else MOST_STEPS):
            raise _Enough

    def _warm_up(self) -> None:
        self.warm_up += 1
        is_long = self.wall >= WARM_UP_SHARE * self._seconds
        if self.warm_up >= WARM_UP_STEPS[0 if is_long else 1]:
            self.limit = self._measure_limit()
            self._began = self._clock.restart()
