"""The profile of an experiment: everything that is measured, and where it comes from."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch

from plait.balancing import Balancer
from plait.data.preparing import PreparedLog
from plait.errors import ConfigurationError
from plait.experiment import Experiment
from plait.methods import Hybrid, Plain, SoftLabels
from plait.models import MultiTaskModel
from plait.training import Training, blocks_of

from .building import log_of, model_of
from .judging import Judging, measure_judging
from .network import Size, size_of
from .plan import Plan, costs, plan_of
from .preparation import Preparation, prepare_timed
from .stretch import Learner, Stretch, measure_steps

__all__ = ["Machine", "Profile", "profile_experiment", "profile_training"]

LARGER = 4
"""How many times larger the batches are that a second, shorter stretch is measured with."""
LARGEST_BATCH = 8192
"""No batch beyond this is tried: nobody gains by it, and memory may not hold it."""


@dataclass(frozen=True)
class Machine:
    """Where it was measured.

    Attributes:
        device: `cpu` or `cuda:0`.
        threads: that torch uses.
        cores: that the machine has.
        load: processes that wanted a core in the minute before; None: the system does not tell.
    """

    device: str
    threads: int
    cores: int
    load: float | None


@dataclass(frozen=True)
class Profile:
    """Where the time of an experiment goes.

    Stability: experimental.

    Attributes:
        machine: where it was measured.
        preparation: from the files to prepared rows; None where they were given.
        stretch: the training steps that were measured.
        larger: the same with batches four times as large; None where that is beyond reason.
        judging: predictions and metrics.
        plan: how often a run does what.
        size: parameters and multiply-adds.
        history: numeric features that a history made.
        may_look_up: whether the compiled engine, which was not asked for, would look numbers up
            that are now multiplied out.
    """

    machine: Machine
    preparation: Preparation | None
    stretch: Stretch
    larger: Stretch | None
    judging: Judging
    plan: Plan
    size: Size
    history: tuple[str, ...]
    may_look_up: bool = False

    @cached_property
    def costs(self) -> Mapping[str, float]:
        """Seconds of a whole run by what they go to, the largest first."""
        return costs(self.plan, self.stretch, self.judging, self.preparation)

    @property
    def epoch_seconds(self) -> float:
        """Seconds of the steps of one epoch, without evaluations."""
        return self.plan.steps_per_epoch * self.stretch.wall / self.stretch.steps

    @property
    def run_seconds(self) -> float:
        """Seconds of a run that nothing stops early."""
        return sum(self.costs.values())


def profile_experiment(
    experiment: str | Path | Experiment,
    *,
    cache: str | Path | None = None,
    seconds: float = 10.0,
) -> Profile:
    """Measure where the time of an experiment goes, without running all of it.

    Stability: experimental.

    The log is read and prepared, the model trains for a moment, and is judged once. No run is made,
    and none is touched.

    Args:
        experiment: an experiment file, or what was read from one.
        cache: folder of prepared logs, shared with runs; the prepared log is left in it. None: a
            folder that is removed again.
        seconds: how long training steps are measured; they end earlier after 200.

    Raises:
        ConfigurationError: `seconds` is not positive.
        ExperimentFileError: the file has a problem.
        PlaitError: data, tasks or settings that do not fit; the message says which.
    """
    _check(seconds)
    read = experiment if isinstance(experiment, Experiment) else Experiment.read(experiment)
    given, machine = read.arguments(), _machine("cpu")
    with _folder(cache) as folder:
        log = log_of(given)
        prepared, preparation = prepare_timed(log, given["split"], cache=folder)
        model = model_of(given, prepared, log)
        found = profile_training(
            model,
            prepared,
            training=given["training"],
            balancer=given["balancer"],
            method=given.get("method"),
            group_by=given["group_by"],
            slices=given["slices"],
            seconds=seconds,
        )
        return replace(found, preparation=preparation, machine=machine)


def profile_training(
    model: MultiTaskModel,
    prepared: PreparedLog,
    *,
    training: Training | None = None,
    balancer: Balancer | None = None,
    method: Learner | None = None,
    group_by: str | None = None,
    slices: Sequence[str] = (),
    seconds: float = 10.0,
) -> Profile:
    """Measure where the time of training goes, for a model and prepared rows of your own.

    Stability: experimental.

    Args:
        model: built and with its heads fitted. Its weights are moved: give one that you can spare.
        prepared: the rows.
        training: how long and how fast.
        balancer: from several losses to gradients. None: equal weights.
        method: the way to learn. None: from the labels alone. Of soft labels and of hybrid
            learning a training on the labels is measured; of another one that trains several
            times, the first.
        group_by: column for grouped metrics.
        slices: columns to slice metrics by.
        seconds: how long training steps are measured; they end earlier after 200.

    Raises:
        ConfigurationError: `seconds` is not positive.
        TrainingError: a loss stays not finite.
        TrainingInterrupted: SIGINT or SIGTERM came.
    """
    _check(seconds)
    settings = training or Training()
    train, machine = prepared.train, _machine(str(next(model.parameters()).device))

    if isinstance(method, SoftLabels):
        method = method.start or Plain()  # what a teacher is trained by
    if isinstance(method, Hybrid):
        method = Plain()  # its last stage: the network is the same, and labels are read

    def measured(settings: Training, seconds: float) -> Stretch:
        return measure_steps(
            model, train, settings, seconds=seconds, balancer=balancer, method=method
        )

    stretch = measured(settings, seconds)
    rows, larger = LARGER * stretch.batch_size, None
    if rows <= min(LARGEST_BATCH, train.num_rows):
        larger = measured(replace(settings, batch_size=rows), seconds / LARGER)
    with blocks_of(stretch.engine):
        judging = measure_judging(model, prepared, group_by=group_by, slices=slices)
    return Profile(
        machine=machine,
        preparation=None,
        stretch=stretch,
        larger=larger,
        judging=judging,
        plan=plan_of(model, prepared, settings),
        size=size_of(model),
        history=() if prepared.history is None else tuple(prepared.history.names),
        may_look_up=model.main_input.has_pieces and (stretch.engine, settings.precision) == PLAIN,
    )


PLAIN = ("torch", "fp32")
"""Engine and precision of a run that may have compiled layers instead."""


def _check(seconds: float) -> None:
    if not 0 < seconds < float("inf"):
        raise ConfigurationError(f"`seconds` must be positive and finite, got {seconds}.")


def _machine(device: str) -> Machine:
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return Machine(device, torch.get_num_threads(), os.cpu_count() or 1, load)


@contextmanager
def _folder(cache: str | Path | None) -> Iterator[Path]:
    if cache is not None:
        yield Path(cache)
        return
    with tempfile.TemporaryDirectory(prefix="plait-profile-") as scratch:
        yield Path(scratch)
