"""The estimator of soft labels: trained models, calibrated, and what they believe of a label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize
from torch import Tensor, nn

from plait.architectures import Link
from plait.artifact.content import build_model, model_settings
from plait.data.store import Store
from plait.heads import SoftHead
from plait.models import MultiTaskModel
from plait.modules import Dropout
from plait.training.prediction import ROWS_AT_ONCE

__all__ = [
    "Calibration",
    "Teachers",
    "aligned",
    "calibrate",
    "fresh_model",
    "slices",
    "soft_head",
]

MOST_TEMPERATURE = 10.0


class Calibration(NamedTuple):
    """What a task's parameters go through: `(z + bias) / temperature`."""

    temperature: float
    bias: tuple[float, ...]


@dataclass(frozen=True)
class Teachers:
    """Models whose mean belief is a soft label.

    Attributes:
        models: trained; each is one voice.
        draws: voices of each model by Monte Carlo dropout (Gal and Ghahramani, `Dropout as a
            Bayesian Approximation <https://arxiv.org/abs/1506.02142>`_, 2016); 0: the model itself,
            without dropout.
        calibrations: by task. A task without one is taken as it is.
        mixes: the best mix of each model on the validation rows.
    """

    models: Sequence[MultiTaskModel]
    draws: int = 0
    calibrations: Mapping[str, Calibration] | None = None
    mixes: tuple[float, ...] = ()

    def voices(self, store: Store, rows: slice, tasks: Sequence[str]) -> dict[str, Tensor]:
        """Parameters `[M, B, out]` of every voice, by task, on the CPU."""
        found: dict[str, list[Tensor]] = {task: [] for task in tasks}
        device = next(self.models[0].parameters()).device
        batch = store.batch(rows).to(device)
        with torch.inference_mode():
            for place, model in enumerate(self.models):
                for draw in range(max(1, self.draws)):
                    seed = (place * 1_009 + draw) * 1_000_003 + rows.start
                    with _dropping(model, seed=seed if self.draws else None):
                        parameters = model(batch)
                    for task in tasks:
                        found[task].append(parameters[task].cpu())
        return {task: torch.stack(voices) for task, voices in found.items()}

    def beliefs(self, store: Store, rows: slice, tasks: Sequence[str]) -> dict[str, Tensor]:
        """The soft labels `[B, S]` of some rows, by task."""
        voices = self.voices(store, rows, tasks)
        return {task: self.belief(task, parameters) for task, parameters in voices.items()}

    def belief(self, task: str, voices: Tensor) -> Tensor:
        """The soft labels `[B, S]`, from the parameters of every voice `[M, B, out]`."""
        head = soft_head(self.models[0], task)
        known = (self.calibrations or {}).get(task)
        temperature = 1.0 if known is None else known.temperature
        bias = torch.zeros(head.out_features) if known is None else torch.tensor(known.bias)
        said = [head.soften(each, temperature=temperature, bias=bias) for each in voices]
        return head.merged(torch.stack(said))


def calibrate(teachers: Teachers, valid: Store, tasks: Sequence[str]) -> dict[str, Calibration]:
    """Temperature and bias of each task, from rows that training did not see.

    They make the weighted mean surprise at the labels as small as it gets; a task without labels
    there has none.
    """
    found: dict[str, Calibration] = {}
    voices = _of_all(teachers, valid, tasks)
    for task in tasks:
        counted = valid.observed(task) & (valid.weights(task) > 0)
        if not counted.any():
            continue
        rows = torch.from_numpy(np.flatnonzero(counted))
        weights = torch.from_numpy(valid.weights(task)[counted]).double()
        target = torch.from_numpy(valid.labels(task)[counted]).double()
        head = soft_head(teachers.models[0], task)
        found[task] = _fitted(head, voices[task][:, rows].double(), target, weights)
    return found


def aligned(soft: NDArray[np.float32], prior: float) -> float:
    """The shift in log-odds with which probabilities `[n, 1]` have this mean."""
    clipped = np.clip(soft[:, 0].astype(np.float64), 1e-12, 1 - 1e-12)
    logits = np.log(clipped) - np.log1p(-clipped)

    def excess(shift: float) -> float:
        return float(np.mean(1 / (1 + np.exp(-(logits + shift))))) - prior

    return float(brentq(excess, -60.0, 60.0, xtol=1e-9))


def fresh_model(model: MultiTaskModel, *, seed: int) -> MultiTaskModel:
    """A model that is built like another, with weights of its own; heads as they were fitted."""
    build = build_model(
        model_settings(model),
        (type(model.architecture),),
        tuple({type(link) for link in model.links if isinstance(link, Link)}),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = build(model.layout, list(model.tasks.values()))
    for name in model.tasks:
        fresh.head(name).load_state_dict(model.head(name).state_dict())
    fresh.start_from_base_rates()
    return fresh.to(next(model.parameters()).device)


def soft_head(model: MultiTaskModel, task: str) -> SoftHead:
    """The head of a task that takes soft labels."""
    head = model.head(task)
    assert isinstance(head, SoftHead)
    return head


def _fitted(head: SoftHead, voices: Tensor, target: Tensor, weights: Tensor) -> Calibration:
    """Temperature and bias by quasi-Newton steps from 1 and 0."""
    out = head.out_features
    doubled = head.double()

    def surprise(point: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        moved = torch.tensor(point, requires_grad=True)
        temperature = torch.exp(moved[0])
        said = [doubled.soften(each, temperature=temperature, bias=moved[1:]) for each in voices]
        loss = doubled.surprise(doubled.merged(torch.stack(said)), target)
        mean = (loss * weights).sum() / weights.sum()
        mean.backward()
        assert moved.grad is not None
        return float(mean.detach()), moved.grad.numpy()

    bounds = [(-np.log(MOST_TEMPERATURE), np.log(MOST_TEMPERATURE))] + [(-10.0, 10.0)] * out
    try:
        found = minimize(surprise, np.zeros(1 + out), jac=True, method="L-BFGS-B", bounds=bounds)
    finally:
        head.float()
    return Calibration(float(np.exp(found.x[0])), tuple(float(b) for b in found.x[1:]))


def _of_all(teachers: Teachers, store: Store, tasks: Sequence[str]) -> dict[str, Tensor]:
    parts: dict[str, list[Tensor]] = {task: [] for task in tasks}
    for rows in slices(store):
        for task, voices in teachers.voices(store, rows, tasks).items():
            parts[task].append(voices)
    return {task: torch.cat(found, dim=1) for task, found in parts.items()}


def slices(store: Store) -> Iterator[slice]:
    """All rows of a store, some at a time."""
    for start in range(0, store.num_rows, ROWS_AT_ONCE):
        yield slice(start, min(start + ROWS_AT_ONCE, store.num_rows))


@contextmanager
def _dropping(model: MultiTaskModel, *, seed: int | None) -> Iterator[None]:
    """In evaluation mode; with a seed, dropout alone goes on, and draws from it."""
    was_training = model.training
    model.eval()
    with torch.random.fork_rng(devices=[], enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
            for module in model.modules():
                if isinstance(module, Dropout | nn.Dropout):
                    module.train()
        try:
            yield
        finally:
            model.train(was_training)
