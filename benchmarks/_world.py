"""The semi-supervised world as a test of ways to learn: gains over supervised training, by seed."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
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
        field_signal: correlation of what the fields show with what the labels depend on.
        domain: share of the ids of the first field on whose rows alone there are labels, those
            with the lowest chances; None: labels fall on any row.
    """

    labelled: float
    flip: float = 0.0
    field_signal: float = 1.0
    domain: float | None = None


def gains(
    methods: Mapping[str, Method],
    cell: Cell,
    *,
    seeds: Sequence[int],
    training: Training | None = None,
    world: SemiSupervisedSettings | None = None,
    unlabelled: bool = False,
) -> list[Row]:
    """Mean test AUC of both tasks for each method, and its paired difference to supervised runs.

    Args:
        methods: ways to learn by the name that the table shows.
        cell: how many labels, how noisy.
        seeds: each makes another world, another log, another network.
        training: settings but for the seed. None: the dense rate of the reference, 0.001.
        world: sizes of the world. None: those of the reference.
        unlabelled: whether the rows without labels are training rows too.
    """
    aucs: dict[str, list[float]] = {"supervised": [], **{name: [] for name in methods}}
    for seed in seeds:
        with tempfile.TemporaryDirectory(prefix="plait-") as scratch:
            sizes = world or SemiSupervisedSettings()
            prepared = _prepared(cell, seed, Path(scratch), sizes, unlabelled=unlabelled)
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


def _prepared(
    cell: Cell, seed: int, folder: Path, sizes: SemiSupervisedSettings, *, unlabelled: bool
) -> PreparedLog:
    """The training rows and the test rows of the world of a seed."""
    settings = replace(
        sizes, labelled=cell.labelled, flip=cell.flip, field_signal=cell.field_signal
    )
    if cell.domain is not None:
        settings = replace(settings, labelled=1.0)
    world = SemiSupervisedWorld(settings, seed=seed)
    log = world.draw(seed=seed)
    frame = log.frame
    if cell.domain is not None:
        frame = _of_one_domain(frame, log.truth, cell, valid_share=settings.valid_share, seed=seed)
    if unlabelled:
        frame = frame.with_columns(pl.col("part").replace("unlabelled", "train"))
    else:
        frame = frame.filter(pl.col("part") != "unlabelled")
    schema = Schema(
        tuple(Categorical(name, embedding_dim=EMBEDDING_DIM) for name in world.schema.names)
    )
    return prepare(Log((frame,), schema, TASKS), ColumnSplit("part"), cache=folder)


def _of_one_domain(
    frame: pl.DataFrame, truth: pl.DataFrame, cell: Cell, *, valid_share: float, seed: int
) -> pl.DataFrame:
    """Labels on rows of some ids of the first field alone, those with the lowest chances."""
    assert cell.domain is not None
    field = frame.columns[0]
    chances = frame.select(field).with_columns(chance=truth["p_first"])
    ranked = chances.group_by(field).agg(pl.col("chance").mean()).sort("chance")
    inside = ranked[field].head(round(cell.domain * len(ranked)))
    training = frame["part"] != "test"
    may = np.flatnonzero((training & frame[field].is_in(inside.implode())).to_numpy())
    labelled = round(cell.labelled * int(training.sum()))
    chosen = np.random.default_rng([seed, 2]).permutation(may)[:labelled]
    part = np.where(training.to_numpy(), "unlabelled", "test").astype("<U10")
    valid = round(valid_share * labelled)
    part[chosen[:valid]], part[chosen[valid:]] = "valid", "train"
    seen = pl.Series(part != "unlabelled")
    labels = [
        pl.when(seen).then(pl.col(task.name)).otherwise(None).alias(task.name) for task in TASKS
    ]
    return frame.with_columns(*labels, part=pl.Series(part))


def _row(name: str, cell: Cell, found: NDArray[np.float64], base: NDArray[np.float64]) -> Row:
    row: dict[str, str | float | int] = {
        "what": "AUC",
        "method": name,
        "labelled": cell.labelled,
        "flip": cell.flip,
        "field_signal": cell.field_signal,
        "domain": cell.domain,
        "value": float(found.mean()),
        "seeds": len(found),
    }
    if name == "supervised":
        return row
    gap = paired_difference(found, base)
    wins = int((found > base).sum())
    return {**row, "gain": gap.value, "low": gap.low, "high": gap.high, "wins": wins}
