"""deepctr-torch through its own `compile`, `fit` and `predict`.

Its L2 on whole tables, which slows it further, is switched off, and its gates have no hidden layer.
"""

from __future__ import annotations

import torch
from deepctr_torch.inputs import DenseFeat, SparseFeat, VarLenSparseFeat
from deepctr_torch.models.multitask import MMOE, PLE, SharedBottom

from .arrays import ArrayReader
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

Feature = SparseFeat | VarLenSparseFeat | DenseFeat


class DeepCtrTorch(Rival):
    """deepctr-torch."""

    package = "deepctr-torch"

    def load(self) -> int:
        """Read, one array a column."""
        self.reader = ArrayReader(self.job)
        self.log = self.reader.train()
        self.columns = self.log.columns()
        return len(self.log)

    def build(self) -> None:
        """The model and its optimizer."""
        self.num_table_rows = sum(self.log.sizes)
        self.model = self._model(self._features())
        optimizer = torch.optim.Adam(self.model.parameters(), LEARNING_RATE)
        self.model.compile(optimizer, loss=["binary_crossentropy"] * len(self.job.tasks))

    def fit(self) -> None:
        """An epoch in random order."""
        self.model.fit(
            self.columns, self.log.labels, batch_size=self.job.batch_size, epochs=1, verbose=0
        )

    def load_test(self) -> None:
        """Read the test log."""
        self.test_columns = self.reader.test().columns()

    def predict(self) -> Floats:
        """Probabilities."""
        return self.model.predict(self.test_columns, PREDICTED_AT_ONCE)

    def _features(self) -> list[Feature]:
        sizes = dict(zip(CATEGORICALS, self.log.sizes, strict=True))
        features: list[Feature] = [SparseFeat(n, size, EMBEDDING_DIM) for n, size in sizes.items()]
        if self.job.has_history:
            item = CATEGORICALS[ITEM]
            shared = SparseFeat(HISTORY, sizes[item], EMBEDDING_DIM, embedding_name=item)
            features.append(VarLenSparseFeat(shared, LONGEST_HISTORY, "mean"))
        return [*features, *(DenseFeat(name) for name in NUMBERS)]

    def _model(self, features: list[Feature]) -> MMOE | PLE | SharedBottom:
        names = self.job.tasks
        kinds = ("binary",) * len(names)
        if self.job.architecture == "mmoe":
            return MMOE(
                features,
                num_experts=NUM_EXPERTS,
                expert_dnn_hidden_units=EXPERT_LAYERS,
                gate_dnn_hidden_units=(),
                tower_dnn_hidden_units=TOWER,
                l2_reg_linear=0,
                l2_reg_embedding=0,
                task_types=kinds,
                task_names=names,
            )
        if self.job.architecture == "ple":
            return PLE(
                features,
                shared_expert_num=SHARED_EXPERTS,
                specific_expert_num=TASK_EXPERTS,
                num_levels=1,
                expert_dnn_hidden_units=EXPERT_LAYERS,
                gate_dnn_hidden_units=(),
                tower_dnn_hidden_units=TOWER,
                l2_reg_linear=0,
                l2_reg_embedding=0,
                task_types=kinds,
                task_names=names,
            )
        if self.job.architecture == "shared_bottom":
            return SharedBottom(
                features,
                bottom_dnn_hidden_units=EXPERT_LAYERS,
                tower_dnn_hidden_units=TOWER,
                l2_reg_linear=0,
                l2_reg_embedding=0,
                task_types=kinds,
                task_names=names,
            )
        raise NotOfferedError("it has no model with a network for each task over common tables")


if __name__ == "__main__":
    measure(DeepCtrTorch)
