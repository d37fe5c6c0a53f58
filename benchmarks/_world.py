"""The semi-supervised world as a test of ways to learn: gains over supervised training, by seed."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from _report import Row
from numpy.typing import NDArray

from plait import Binary, Categorical, ColumnSplit, Schema, SharedBottom, Training
from plait.data.log import Log
from plait.data.preparing import PreparedLog, prepare
from plait.data.simulation import SemiSupervisedSettings, SemiSupervisedWorld
from plait.experiment.running import build
from plait.methods import Method
from plait.metrics import paired_difference
from plait.training import Trainer, evaluate_store, finish

TASKS = (Binary("first"), Binary("second"))
EMBEDDING_DIM = 8
BOTTOM = partial(SharedBottom, layers=(64, 32), dropout=0.0)
"""Under one linear layer a task: the network of the reference table of this world."""


class Cell(NamedTuple):
    """One setting of the world.

    Attributes:
        labelled: share of the training rows that have labels.
        flip: chance that a label of a training row is turned round.
    """

    labelled: float
    flip: float


def gains(
    methods: Mapping[str, Method],
    cell: Cell,
    *,
    seeds: Sequence[int],
    training: Training | None = None,
    world: SemiSupervisedSettings | None = None,
) -> list[Row]:
    """Mean test AUC of both tasks for each method, and its paired difference to supervised runs.

    Args:
        methods: ways to learn by the name that the table shows.
        cell: how many labels, how noisy.
        seeds: each makes another world, another log, another network.
        training: settings but for the seed. None: the dense rate of the reference, 0.001.
        world: sizes of the world. None: those of the reference.
    """
    aucs: dict[str, list[float]] = {"supervised": [], **{name: [] for name in methods}}
    for seed in seeds:
        with tempfile.TemporaryDirectory(prefix="plait-") as scratch:
            prepared = _prepared(cell, seed, Path(scratch), world or SemiSupervisedSettings())
            for name, found in aucs.items():
                found.append(auc(prepared, methods.get(name), seed=seed, training=training))
    base = np.array(aucs["supervised"])
    return [_row(name, cell, np.array(found), base) for name, found in aucs.items()]


def auc(
    prepared: PreparedLog, method: Method | None, *, seed: int, training: Training | None = None
) -> float:
    """Mean test AUC of both tasks, trained in one way."""
    settings = training or Training(epochs=60, batch_size=128, patience=8)
    settings = Training(**{**vars(settings), "seed": seed})
    model = build(prepared, seed=seed, architecture=BOTTOM, tower=(), dropout=0.0, unknown_rate=0.0)
    if method is None:
        Trainer(model, settings).fit(prepared.train, prepared.valid)
    else:
        method.fit(model, prepared.train, prepared.valid, settings=settings)
    finish(model, prepared.train, prepared.valid)
    assert prepared.test is not None
    tasks = evaluate_store(model, prepared.test).tasks
    return float(np.mean([tasks[task.name]["auc"].value for task in TASKS]))


def _prepared(cell: Cell, seed: int, folder: Path, settings: SemiSupervisedSettings) -> PreparedLog:
    """The labelled rows and the test rows of the world of a seed."""
    settings = SemiSupervisedSettings(**{**vars(settings), **cell._asdict()})
    world = SemiSupervisedWorld(settings, seed=seed)
    frame = world.draw(seed=seed).frame.filter(pl.col("part") != "unlabelled")
    schema = Schema(
        tuple(Categorical(name, embedding_dim=EMBEDDING_DIM) for name in world.schema.names)
    )
    return prepare(Log((frame,), schema, TASKS), ColumnSplit("part"), cache=folder)


def _row(name: str, cell: Cell, found: NDArray[np.float64], base: NDArray[np.float64]) -> Row:
    row: dict[str, str | float | int] = {
        "what": "AUC",
        "method": name,
        "labelled": cell.labelled,
        "flip": cell.flip,
        "value": float(found.mean()),
        "seeds": len(found),
    }
    if name == "supervised":
        return row
    gap = paired_difference(found, base)
    wins = int((found > base).sum())
    return {**row, "gain": gap.value, "low": gap.low, "high": gap.high, "wins": wins}
