"""Moments of a training run that others may watch: progress bars, trackers, tests."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from plait.balancing import Gradients

from .noisy_rates import NoisyRates
from .settings import Engine


@dataclass(frozen=True)
class StepReport:
    """One step, as it is told to callbacks.

    Attributes:
        step: steps done, this one included.
        epoch: number of the epoch, from 1.
        total_steps: steps that the run may take at most.
        rows: rows in the batch.
        losses: loss by task; a task without an observed row has none.
        weights: weight in effect by task.
        gradients: what the balancer saw of the tasks' gradients; None where it read none.
    """

    step: int
    epoch: int
    total_steps: int
    rows: int
    losses: Mapping[str, float]
    weights: Mapping[str, float]
    gradients: Gradients | None = None


@dataclass(frozen=True)
class EvaluationReport:
    """One evaluation on the validation rows.

    Attributes:
        step: steps done.
        epoch: epochs begun.
        losses: mean training loss by task since the last evaluation.
        scores: primary metric by task, higher is better.
        mix: the weighted mean of `scores` that stopping reads; nan where it cannot be computed.
        is_best: whether the mix is the best so far.
        seconds: time since training began, earlier sessions of a resumed run included.
        balance: means since the last evaluation of the `weights` in effect, by task, and where
            gradients were read, of their `norms` by task, their `cosines` by pair, and the share of
            steps in which a cosine was below 0 (`conflicts`); by layer or stage (`groups`) the
            share of pairs of tasks that conflict.
    """

    step: int
    epoch: int
    losses: Mapping[str, float]
    scores: Mapping[str, float]
    mix: float
    is_best: bool
    seconds: float
    balance: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class History:
    """What happened in training, evaluation by evaluation.

    Attributes:
        evaluations: the evaluations in order.
        skipped: steps in which a task's loss was not finite, by task.
        stopped: why training ended.
        rows_per_second: training rows over the time spent in steps, in this session.
        notes: what a way to learn has to say of the run, in sentences.
        noise: by task, how often its recorded labels are wrong, where a way to learn knows.
        stages: trainings that came before this one, where a way to learn has several.
        engine: what worked on rows of tables and on layers.
    """

    evaluations: list[EvaluationReport] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)
    stopped: str = ""
    rows_per_second: float = 0.0
    notes: list[str] = field(default_factory=list)
    noise: dict[str, NoisyRates] = field(default_factory=dict)
    stages: list[History] = field(default_factory=list)
    engine: Engine = "torch"

    @property
    def best_mix(self) -> float:
        """The best mix on the validation rows; nan where there was none."""
        return max((r.mix for r in self.evaluations if r.mix == r.mix), default=math.nan)

    def to_json(self) -> dict[str, Any]:
        """The history as plain data."""
        return {
            "evaluations": [vars(report) for report in self.evaluations],
            "skipped": dict(self.skipped),
            "stopped": self.stopped,
            "rows_per_second": self.rows_per_second,
            "notes": list(self.notes),
            "engine": self.engine,
        }


class Callback:
    """Watches a training run. Override the moments of interest.

    Stability: experimental.
    """

    def on_stage(self, stage: str) -> None:
        """A training of several parts comes to the next one, such as `teacher 2 of 5`."""

    def on_start(self, *, steps_done: int, total_steps: int) -> None:
        """Training begins, or goes on after `steps_done` steps."""

    def on_step(self, report: StepReport) -> None:
        """A step is done."""

    def on_evaluation(self, report: EvaluationReport) -> None:
        """The validation rows were judged."""

    def on_end(self, history: History) -> None:
        """Training is over."""
