"""plait, from the raw log to predictions from a prepared store.

`load` prepares the log as `plait.train` does: it reads raw values, learns vocabularies and scales,
and writes a store. `fit` is the trainer's. Vectors are as wide as the rivals', a number enters as
its quantile, and there is no dropout, no product of user and item and no average of weights, so
that the network is the rivals'. Everything else is as it comes.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import torch

from plait.architectures import CGC, MMoE, SharedBottom, SingleTask
from plait.data.log import Log
from plait.data.preparing import prepare, write_part
from plait.data.schema import Categorical, Feature, Numeric, Schema, Sequence
from plait.data.splits import RandomSplit
from plait.experiment.running import build
from plait.models import ArchitectureFactory
from plait.tasks import Binary
from plait.training import Trainer, Training, warm_up
from plait.training.precision import multiplying
from plait.training.prediction import predict_store

from .job import (
    EMBEDDING_DIM,
    EXPERT_LAYERS,
    LEARNING_RATE,
    NUM_EXPERTS,
    SHARED_EXPERTS,
    TASK_EXPERTS,
    TOWER,
    Job,
    NotOfferedError,
)
from .log import CATEGORICALS, HISTORY, ITEM, LONGEST_HISTORY, NUMBERS
from .measuring import Floats, Rival, measure

CHUNK_ROWS = 131_072


class Plait(Rival):
    """plait."""

    package = "plait"

    def load(self) -> int:
        """Prepare the training log; kernels are fetched meanwhile, as in `plait.train`."""
        warm_up(_training(self.job).engine)
        self.log = Log(
            sources=(self.job.train,),
            schema=_schema(self.job),
            tasks=tuple(Binary(name) for name in self.job.tasks),
        )
        no_parts = RandomSplit(valid=0, test=0)
        self.prepared = prepare(self.log, no_parts, cache=Path(self.job.out) / "prepared")
        return self.prepared.train.num_rows

    def build(self) -> None:
        """The model, its heads fitted."""
        self.model = build(
            self.prepared,
            seed=self.job.seed,
            architecture=_architecture(self.job),
            factors=0,
            tower=TOWER,
            dropout=0,
        )
        self.num_table_rows = sum(table.num_rows for table in self.model.tables.tables)

    def fit(self) -> None:
        """An epoch in random order."""
        Trainer(self.model, _training(self.job)).fit(self.prepared.train)

    def load_test(self) -> None:
        """Prepare the test log by what the training log taught."""
        rows = pl.read_parquet(self.job.test).iter_slices(CHUNK_ROWS)
        folder = Path(self.job.out) / "test"
        self.test_store, _ = write_part(folder, rows, self.log, self.prepared.preprocessor)

    def predict(self) -> Floats:
        """Probabilities."""
        with multiplying(self.job.precision, torch.device("cpu")):
            found = predict_store(self.model, self.test_store)
        return np.stack([found[name] for name in self.job.tasks], axis=1)


def _training(job: Job) -> Training:
    """How plait trains: the one place that knows its engines and precisions.

    The variant `pure` has the default engine; else it is the compiled one.
    """
    if job.precision != "fp32" and job.variant != "pure":
        raise NotOfferedError("its compiled kernels know fp32 only")
    return Training(
        epochs=1,
        batch_size=job.batch_size,
        learning_rate=LEARNING_RATE,
        average=0,
        key_l2=0,
        engine="torch" if job.variant == "pure" else "compiled",
        precision=job.precision,
        seed=job.seed,
    )


def _architecture(job: Job) -> ArchitectureFactory:
    if job.architecture == "mmoe":
        return partial(MMoE, num_experts=NUM_EXPERTS, layers=EXPERT_LAYERS, dropout=0)
    if job.architecture == "ple":
        return partial(
            CGC,
            shared_experts=SHARED_EXPERTS,
            task_experts=TASK_EXPERTS,
            layers=EXPERT_LAYERS,
            dropout=0,
        )
    if job.architecture == "shared_bottom":
        return partial(SharedBottom, layers=EXPERT_LAYERS, dropout=0)
    return partial(SingleTask, layers=EXPERT_LAYERS, dropout=0)


def _schema(job: Job) -> Schema:
    features: list[Feature] = [
        Categorical(name, embedding_dim=EMBEDDING_DIM, min_count=1) for name in CATEGORICALS
    ]
    features += [Numeric(name, num_pieces=0, num_bins=0) for name in NUMBERS]
    if job.has_history:
        shared = CATEGORICALS[ITEM]
        features.append(Sequence(HISTORY, shares=shared, max_length=LONGEST_HISTORY))
    return Schema(tuple(features))


if __name__ == "__main__":
    measure(Plait)
