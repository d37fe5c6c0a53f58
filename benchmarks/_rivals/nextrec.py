"""nextrec through its own `compile`, `fit` and `predict`.

Its checkpoints, early stopping and log for TensorBoard are switched off. It clips gradients and
computes metrics of the training rows, which cannot be.
"""

from __future__ import annotations

import os

import numpy as np
from nextrec.basic.callback import CheckpointSaver
from nextrec.basic.features import DenseFeature, SequenceFeature, SparseFeature
from nextrec.models.multitask.mmoe import MMOE
from nextrec.models.multitask.ple import PLE
from nextrec.models.multitask.share_bottom import ShareBottom

from .arrays import ArrayReader, Arrays
from .job import (
    EMBEDDING_DIM,
    EXPERT_LAYERS,
    LEARNING_RATE,
    NUM_EXPERTS,
    PREDICTED_AT_ONCE,
    SHARED_EXPERTS,
    TASK_EXPERTS,
    TOWER,
    NotOfferedError,
)
from .log import CATEGORICALS, HISTORY, ITEM, LONGEST_HISTORY, NUMBERS
from .measuring import Floats, Rival, measure

KIND = "binary"


class NoCheckpoints(CheckpointSaver):
    """Stands where nextrec would else write the tables after the epoch."""

    def __init__(self) -> None:
        super().__init__(best_path="", checkpoint_path="")

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Nothing."""


class NextRec(Rival):
    """nextrec."""

    package = "nextrec"

    def load(self) -> int:
        """Read, one array a column."""
        self.reader = ArrayReader(self.job)
        log = self.reader.train()
        self.sizes = log.sizes
        labels = dict(zip(self.job.tasks, log.labels.T, strict=True))
        self.columns = _columns(log) | labels
        return len(log)

    def build(self) -> None:
        """The model and its optimizer."""
        os.environ["NEXTREC_LOG_DIR"] = self.job.out
        self.num_table_rows = sum(size + 1 for size in self.sizes)
        self.model = self._model()
        self.model.callbacks.append(NoCheckpoints())
        self.model.compile(
            optimizer="adam",
            optimizer_params={"lr": LEARNING_RATE},
            loss=["bce"] * len(self.job.tasks),
        )

    def fit(self) -> None:
        """An epoch in random order."""
        self.model.fit(
            self.columns,
            epochs=1,
            batch_size=self.job.batch_size,
            metrics=["auc"],
            early_stop_patience=0,
            use_tensorboard=False,
            summary_sections=[],
        )

    def load_test(self) -> None:
        """Read the test log."""
        self.test_columns = _columns(self.reader.test())

    def predict(self) -> Floats:
        """Probabilities."""
        return self.model.predict(
            self.test_columns, batch_size=PREDICTED_AT_ONCE, return_dataframe=False
        )

    def _model(self) -> MMOE | PLE | ShareBottom:
        item = CATEGORICALS[ITEM]
        sizes = {name: size + 1 for name, size in zip(CATEGORICALS, self.sizes, strict=True)}
        history = SequenceFeature(
            HISTORY,
            sizes[item],
            max_len=LONGEST_HISTORY,
            embedding_name=item,
            embedding_dim=EMBEDDING_DIM,
            combiner="mean",
        )
        dense = [DenseFeature(name) for name in NUMBERS]
        sparse = [
            SparseFeature(name, size, embedding_dim=EMBEDDING_DIM) for name, size in sizes.items()
        ]
        lists = [history] if self.job.has_history else []
        tasks = list(self.job.tasks)
        kinds = [KIND for _ in tasks]
        expert = {"hidden_dims": list(EXPERT_LAYERS)}
        towers = [{"hidden_dims": list(TOWER)} for _ in tasks]
        if self.job.architecture == "mmoe":
            return MMOE(dense, sparse, lists, expert, NUM_EXPERTS, towers, tasks, kinds)
        if self.job.architecture == "ple":
            own = [expert for _ in tasks]
            counts = (SHARED_EXPERTS, TASK_EXPERTS, 1)
            return PLE(dense, sparse, lists, expert, own, *counts, towers, tasks, kinds)
        if self.job.architecture == "shared_bottom":
            return ShareBottom(dense, sparse, lists, expert, towers, tasks, kinds)
        raise NotOfferedError("it has no model with a network for each task over common tables")


def _columns(log: Arrays) -> dict[str, np.ndarray]:
    """The features, ids counted from 1: nextrec keeps 0 of every table for padding."""
    columns: dict[str, np.ndarray] = dict(log.columns())
    columns |= {name: columns[name] + 1 for name in CATEGORICALS}
    if log.history is not None:
        columns[HISTORY] = log.history + (log.history > 0)
    return columns


if __name__ == "__main__":
    measure(NextRec)
