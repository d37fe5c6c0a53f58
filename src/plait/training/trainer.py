"""The loop: batches in, steps out, evaluations and checkpoints between them. Nothing else."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from plait.balancing import Balancer, Cut, Equal
from plait.balancing.look import mean_of
from plait.data.batch import Batch
from plait.data.loading import BatchLoader
from plait.data.store import Store
from plait.errors import ConfigurationError, TrainingInterrupted, UnknownNameError
from plait.models import MultiTaskModel, cut_at, cuttable, preferring

from .allocator import keeping_freed_memory
from .archive import Archive, Entry
from .balance import BalanceLog
from .callbacks import Callback, EvaluationReport, History, StepReport
from .checkpoint import read_checkpoint, write_checkpoint
from .draws import SameDraws
from .engine import blocks_of, engine_for
from .guarding import LossGuard
from .interrupts import Interrupt, catch_interrupts
from .judging import fits, mix, scores, shares_of_mix
from .objective import Losses, Objective, Supervised
from .parts import BatchPart
from .precision import multiplying
from .prediction import predict_store
from .settings import Engine, Training
from .setup import expected_shares, make_loader, task_facts
from .stepping import Stepper


class Trainer:
    """Trains a model on a prepared store.

    Stability: experimental.

    Two runs of one seed give the same bits, and a run that was killed and resumed gives those of
    one that never was: everything that changes between steps is in the checkpoint.

    Args:
        model: the model; its weights are changed in place.
        settings: how long, how fast.
        balancer: from several losses to gradients.
        objective: what is minimised. None: `Supervised`.
        callbacks: told of every step and evaluation.
        folder: where checkpoints and kept states go. None: nothing is written, and the best state
            is kept in memory.
        rates: factors of the dense learning rate, by the beginning of a parameter's name
            (`architecture.`). A parameter that needs no gradient stays as it is.

    Raises:
        UnknownNameError: `monitor` names no task.
        ConfigurationError: a rule draws preferences, and the model cannot read them.
        TrainingError: a loss stays not finite, or a checkpoint cannot be written.
        TrainingInterrupted: SIGINT or SIGTERM came; a checkpoint was written first.
    """

    def __init__(
        self,
        model: MultiTaskModel,
        settings: Training | None = None,
        *,
        balancer: Balancer | None = None,
        objective: Objective | None = None,
        callbacks: Sequence[Callback] = (),
        folder: Path | None = None,
        rates: Mapping[str, float] | None = None,
    ) -> None:
        self.model = model
        self.settings = settings or Training()
        for name in self.settings.monitor or ():
            if name not in model.tasks:
                raise UnknownNameError(name, what="task", known=model.tasks, where="`monitor`")
        self.balancer = balancer or Equal()
        if self.balancer.draws_preferences and model.preference_gates is None:
            raise ConfigurationError(
                f"{type(self.balancer).__name__} draws a preference for every step, and this "
                "model has no gates that read it. Build it with `preference=True`; `plait.train` "
                "does so."
            )
        self.objective = objective
        self.callbacks = tuple(callbacks)
        self.folder = folder
        self.rates = dict(rates or {})
        self.archive = Archive(folder / "archive" if folder else None)
        self.guard = LossGuard(folder)
        self.history = History(skipped=self.guard.skipped)
        self._waited = 0
        self._seconds_before = 0.0
        self._loss_sums: dict[str, float] = {}
        self._loss_counts: dict[str, int] = {}
        self._balance = BalanceLog()

    def fit(self, train: Store, valid: Store | None = None) -> History:
        """Train, and leave the best weights in the model.

        Without validation rows every epoch is run and the last weights are the result.
        """
        settings = self.settings
        self._began = time.monotonic()
        objective = self.objective or Supervised(
            expected_shares(self.model, train), key_l2=settings.key_l2
        )
        self.balancer.prepare(task_facts(self.model, train))
        loader = make_loader(
            self.model, train, settings, rows=objective.rows, companions=objective.companions
        )
        total = math.ceil(len(loader) / settings.accumulate) * settings.epochs
        if settings.max_steps is not None:
            total = min(total, settings.max_steps)
        found = read_checkpoint(self.folder / "checkpoint") if self.folder else None
        self.history.engine = self._engine(train, None if found is None else found[1])
        self.stepper = Stepper(
            self.model,
            settings,
            total_steps=total,
            engine=self.history.engine,
            rates=self.rates,
        )
        with (
            keeping_freed_memory(wanted=settings.keep_memory),
            torch.random.fork_rng(devices=[]),
            blocks_of(self.history.engine),
            catch_interrupts() as interrupt,
        ):
            torch.manual_seed(settings.seed)
            if found is not None:
                self._resume(loader, *found)
            for callback in self.callbacks:
                callback.on_start(steps_done=self.stepper.steps, total_steps=total)
            self._run(objective, loader, valid, interrupt)
        self._finish()
        return self.history

    def _run(
        self, objective: Objective, loader: BatchLoader, valid: Store | None, interrupt: Interrupt
    ) -> None:
        rows, spent, saved = 0, 0.0, time.monotonic()
        while not self.history.stopped:
            for batches in self._by_step(loader):
                begun = time.perf_counter()
                moved = [batch.to(self._device()) for batch in batches]
                self._step(objective, moved, epoch=loader.epoch)
                spent += time.perf_counter() - begun
                rows += sum(len(batch) for batch in batches)
                self._look(valid, loader)
                if interrupt.signal is not None:
                    self._checkpoint(loader)
                    place = str(self.folder) if self.folder else None
                    raise TrainingInterrupted(interrupt.signal, folder=place)
                if self.history.stopped:
                    break
                if time.monotonic() - saved >= self.settings.checkpoint_seconds:
                    self._checkpoint(loader)
                    saved = time.monotonic()
        self.history.rows_per_second = rows / spent if spent else 0.0
        self._checkpoint(loader)

    def _look(self, valid: Store | None, loader: BatchLoader) -> None:
        """Evaluate where it is time to, and see whether training is over."""
        settings, steps, every = self.settings, self.stepper.steps, self.settings.evaluate_steps
        epoch_is_over = loader.state_dict()["position"] >= len(loader)
        last = self._is_last(loader)
        if last or (epoch_is_over if every is None else steps % every == 0):
            self._evaluate(valid, loader.epoch)
            if self._waited >= settings.patience:
                self.history.stopped = "no better mix within the patience"
        if last and not self.history.stopped:
            self.history.stopped = "all steps were run"

    def _is_last(self, loader: BatchLoader) -> bool:
        most = self.settings.max_steps
        if most is not None and self.stepper.steps >= most:
            return True
        state = loader.state_dict()
        return state["epoch"] + (state["position"] >= len(loader)) >= self.settings.epochs

    def _by_step(self, loader: BatchLoader) -> Iterator[list[Batch]]:
        """The batches of each step; the last step of an epoch may have fewer."""
        batches = iter(loader)
        for first in batches:
            left = len(loader) - loader.state_dict()["position"]
            yield [first, *islice(batches, min(left, self.settings.accumulate - 1))]

    def _step(self, objective: Objective, batches: Sequence[Batch], *, epoch: int) -> None:
        if not self.model.training:  # looks at every module, which takes a millisecond
            self.model.train()
        ray = self.balancer.draw()
        with preferring(None if ray is None else [ray[task] for task in self.model.tasks]):
            self._step_as_drawn(objective, batches, epoch=epoch)

    def _step_as_drawn(self, objective: Objective, batches: Sequence[Batch], *, epoch: int) -> None:
        self.stepper.zero_grad()
        parts = [self._part(objective, batch, len(batches)) for batch in batches]
        if len(parts) == 1:
            weights = self.balancer.backward(*parts[0]())
        else:
            weights = self.balancer.backward_in_parts(parts)
        self.stepper.step()
        finite = {name for part in parts for name in part.finite or ()}
        if self.balancer.needs_second_look and finite:
            self.balancer.after_step(mean_of([part.values_now() for part in parts]))
        self._balance.add(weights, self.balancer.gradients)
        values = mean_of([part.values for part in parts])
        for name in finite:
            self._loss_sums[name] = self._loss_sums.get(name, 0.0) + values[name]
            self._loss_counts[name] = self._loss_counts.get(name, 0) + 1
        if self.callbacks:
            report = StepReport(
                step=self.stepper.steps,
                epoch=epoch + 1,
                total_steps=self.stepper.total_steps,
                rows=sum(len(batch) for batch in batches),
                losses=values,
                weights=weights,
                gradients=self.balancer.gradients,
            )
            for callback in self.callbacks:
                callback.on_step(report)

    def _part(self, objective: Objective, batch: Batch, parts: int) -> BatchPart:
        step = self.stepper.steps

        def run() -> Losses:
            precision = self.settings.precision
            with cuttable(self.balancer.surface), multiplying(precision, self._device()):
                return objective.losses(self.model, batch, step)

        is_asked_once = parts == 1 and not self.balancer.needs_second_look
        return BatchPart(
            run,
            partial(self.guard.finite, batch=batch),
            partial(self._cut, objective),
            None if is_asked_once else partial(SameDraws, self._device()),
        )

    def _cut(self, objective: Objective, losses: Losses) -> Cut | None:
        """Where the balancer reads gradients; None where it reads none."""
        surface = self.balancer.surface
        if surface is None:
            return None
        cut = cut_at(surface, self.model, losses.trace)
        if cut is None:
            raise ConfigurationError(
                f"{type(self.balancer).__name__} reads gradients at the surface {surface!r}, and "
                f"{type(objective).__name__} tells of no stage to cut at: its gradients reach the "
                'network by more than one road. Set `surface` to "parameters".'
            )
        return cut

    def _evaluate(self, valid: Store | None, epoch: int) -> None:
        losses = {name: s / self._loss_counts[name] for name, s in self._loss_sums.items()}
        self._loss_sums, self._loss_counts = {}, {}
        found: dict[str, float] = {}
        value = math.nan
        is_best = False
        if valid is not None:
            with self.stepper.averaged():
                predictions = predict_store(self.model, valid, observed=True)
                found = scores(self.model, valid, predictions)
                fitted = fits(self.model, valid, predictions, found)
                shares = self.settings.monitor or shares_of_mix(self.model, valid)
                value, fit = (mix(self.model.tasks, of, shares) for of in (found, fitted))
                entry = Entry(self.stepper.steps, found, value, fit)
                is_best = self.archive.offer(entry, self.model.state_dict())
            if math.isfinite(value):
                self._waited = 0 if is_best else self._waited + 1
        report = EvaluationReport(
            step=self.stepper.steps,
            epoch=epoch + 1,
            losses=losses,
            scores=found,
            mix=value,
            is_best=is_best,
            seconds=self._seconds(),
            balance=self._balance.close().to_json(),
        )
        self.history.evaluations.append(report)
        for callback in self.callbacks:
            callback.on_evaluation(report)

    def _finish(self) -> None:
        best = self.archive.best_state()
        if best is not None:
            self.model.load_state_dict(best)
        else:
            self.stepper.adopt_average()
        self.model.eval()
        for callback in self.callbacks:
            callback.on_end(self.history)

    def _checkpoint(self, loader: BatchLoader) -> None:
        if self.folder is None:
            return
        tensors = {f"model.{name}": t for name, t in self.model.state_dict().items()}
        tensors |= self.stepper.state_dict()
        tensors["rng"] = torch.get_rng_state()
        state = {
            "steps": self.stepper.steps,
            "loader": loader.state_dict(),
            "balancer": self.balancer.state_dict(),
            "archive": self.archive.to_json(),
            "history": self.history.to_json(),
            "waited": self._waited,
            "bad_steps": self.guard.in_a_row,
            "loss_sums": self._loss_sums,
            "loss_counts": self._loss_counts,
            "balance": self._balance.state_dict(),
            "seconds": self._seconds(),
        }
        write_checkpoint(self.folder / "checkpoint", tensors, state)
        self.archive.collect()

    def _engine(self, train: Store, stopped: Mapping[str, Any] | None) -> Engine:
        """The engine that is wanted; where that is left open, the one of the run taken up."""
        before: Engine | None = None if stopped is None else stopped["history"].get("engine")
        if before is not None and self.settings.engine == "auto":
            return before
        return engine_for(self.settings, num_rows=train.num_rows, device=self._device())

    def _resume(
        self, loader: BatchLoader, tensors: Mapping[str, Tensor], state: Mapping[str, Any]
    ) -> None:
        prefix = "model."
        self.model.load_state_dict(
            {k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)}
        )
        self.stepper.load_state_dict(tensors, steps=state["steps"])
        torch.set_rng_state(tensors["rng"])
        loader.load_state_dict(state["loader"])
        self.balancer.load_state_dict(state["balancer"])
        self.archive.load_json(state["archive"])
        history = state["history"]
        self.history = History(
            evaluations=[EvaluationReport(**report) for report in history["evaluations"]],
            skipped=history["skipped"],
            stopped=history["stopped"],
            engine=self.history.engine,
        )
        self._waited, self.guard.in_a_row = state["waited"], state["bad_steps"]
        self.guard.skipped = self.history.skipped
        self._loss_sums, self._loss_counts = state["loss_sums"], state["loss_counts"]
        if "balance" in state:  # not in checkpoints of older versions
            self._balance.load_state_dict(state["balance"])
        self._seconds_before = state["seconds"]
        if self._waited < self.settings.patience and not self._is_last(loader):
            self.history.stopped = ""  # the run was given more time than it had

    def _device(self) -> torch.device:
        return next(self.model.parameters()).device

    def _seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._began
