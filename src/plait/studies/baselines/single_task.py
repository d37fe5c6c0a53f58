"""The same network trained on one task alone: what sharing is worth."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from plait.architectures import ARCHITECTURES
from plait.artifact import build_model
from plait.models import MultiTaskModel
from plait.settings import choose
from plait.studies.opened import OpenedRun
from plait.training import (
    Trainer,
    Training,
    finish,
    fit_heads,
    predict_store,
)

__all__ = ["single_task"]


def single_task(run: OpenedRun, name: str) -> NDArray[np.float64]:
    """Predictions for every judged row of the run's network, trained on one task alone.

    Architecture, towers and training are the run's own, but for its links; it trains for no more
    epochs than the run did.
    """
    settings = _training(run)
    alone = replace(run.model.tasks[name], parents=(), role="target")
    kinds = (*ARCHITECTURES, *run.architectures)
    structure = run.settings["model"]["architecture"]
    narrowed = choose(kinds, structure, what="architecture").settings_for(structure, [name])
    form = {
        **run.settings["model"],
        "links": [],
        "preference": False,
        "architecture": narrowed,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        build = build_model(form, kinds)
        model: MultiTaskModel = build(run.train.layout, [alone])
    fit_heads(model, run.train)
    Trainer(model, settings).fit(run.train, run.prepared.valid)
    finish(model, run.train, run.prepared.valid)
    return predict_store(model, run.judged)[name].astype(np.float64)


def _training(run: OpenedRun) -> Training:
    settings: dict[str, Any] = dict(run.settings["training"])
    settings["monitor"] = None  # of several tasks
    epochs = max((report.epoch for report in run.evaluations), default=1)
    return Training(**settings, epochs=epochs)
