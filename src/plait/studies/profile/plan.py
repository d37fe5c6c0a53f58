"""From measured steps to a whole run: how often everything happens, and what that adds up to."""

from __future__ import annotations

import math
from dataclasses import dataclass

from plait.data.preparing import PreparedLog
from plait.models import MultiTaskModel
from plait.training import Training
from plait.training.setup import make_loader

from .judging import Judging
from .preparation import Preparation
from .stretch import Stretch

__all__ = ["GROUPS", "Plan", "costs", "plan_of"]

GROUPS = {
    "reading": "reading the log",
    "preparing": "preparing the log",
    "batches": "waiting for batches",
    "tables": "work on the tables",
    "optimizer": "the optimizer",
    "network": "the network itself",
    "predicting": "predicting rows to judge",
    "metrics": "computing metrics",
    "finishing": "finishing the kept states",
    "other": "work between the stages",
}
"""What the time of a run can go to, and how it is called."""

_STAGES = {
    "batches": ("batch",),
    "tables": ("lookup", "tables"),
    "optimizer": ("dense", "average", "step"),
    "network": ("encode", "share", "split", "decode", "loss", "backward"),
}
_PARTS = {"reading": ("compare", "read"), "preparing": ("history", "fit", "write", "other")}


@dataclass(frozen=True)
class Plan:
    """How often a run does what, if nothing stops it early.

    Attributes:
        steps_per_epoch: steps that go once through the training rows.
        epochs: the most epochs, as far as the most steps allow.
        steps: the most steps.
        evaluations: of the validation rows.
        finishes: states that are finished in the end: the result, and the best of each task.
    """

    steps_per_epoch: int
    epochs: float
    steps: int
    evaluations: int
    finishes: int


def plan_of(model: MultiTaskModel, prepared: PreparedLog, settings: Training) -> Plan:
    """What the settings ask for."""
    per_epoch = len(make_loader(model, prepared.train, settings))
    steps = per_epoch * settings.epochs
    if settings.max_steps is not None:
        steps = min(steps, settings.max_steps)
    evaluations = 0
    if prepared.valid is not None:
        evaluations = math.ceil(steps / (settings.evaluate_steps or per_epoch))
    return Plan(
        steps_per_epoch=per_epoch,
        epochs=steps / per_epoch,
        steps=steps,
        evaluations=evaluations,
        finishes=1 + (len(model.tasks) if evaluations else 0),
    )


def costs(
    plan: Plan, stretch: Stretch, judging: Judging, preparation: Preparation | None
) -> dict[str, float]:
    """Seconds of a whole run by what they go to (`GROUPS`), the largest first."""
    spent = dict.fromkeys(GROUPS, 0.0)
    if preparation is not None:
        for group, parts in _PARTS.items():
            spent[group] = sum(preparation.parts[part] for part in parts)
    steps = plan.steps / stretch.steps
    for group, stages in _STAGES.items():
        spent[group] = steps * sum(stretch.seconds[stage] for stage in stages)
    spent["other"] = steps * stretch.other
    spent["predicting"] = plan.evaluations * judging.predict + judging.end_predict
    spent["metrics"] = plan.evaluations * judging.metrics + judging.end_metrics
    spent["finishing"] = plan.finishes * judging.finish
    return dict(sorted(spent.items(), key=lambda found: -found[1]))
