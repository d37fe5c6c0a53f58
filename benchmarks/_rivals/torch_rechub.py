"""torch-rechub through its own data generator and trainer; its weight decay is switched off."""

from __future__ import annotations

from torch.utils.data import DataLoader
from torch_rechub.basic.features import DenseFeature, SequenceFeature, SparseFeature
from torch_rechub.models.multi_task import MMOE, PLE, SharedBottom
from torch_rechub.trainers import MTLTrainer
from torch_rechub.utils.data import DataGenerator, PredictDataset

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
from .log import CATEGORICALS, HISTORY, ITEM, NUMBERS, PADDING
from .measuring import Floats, Rival, measure

Feature = SparseFeature | SequenceFeature | DenseFeature
KIND = "classification"


class TorchRechub(Rival):
    """torch-rechub."""

    package = "torch-rechub"

    def load(self) -> int:
        """Read, one array a column."""
        self.reader = ArrayReader(self.job)
        self.log = self.reader.train()
        self.columns = self.log.columns()
        return len(self.log)

    def build(self) -> None:
        """The model and its trainer."""
        self.num_table_rows = sum(self.log.sizes)
        self.trainer = MTLTrainer(
            self._model(self._features()),
            [KIND] * len(self.job.tasks),
            optimizer_params={"lr": LEARNING_RATE},
            n_epoch=1,
            model_path=self.job.out,
        )

    def fit(self) -> None:
        """An epoch in random order; `fit` would judge validation rows and save as well."""
        columns, labels = self.columns, self.log.labels
        loader, _, _ = DataGenerator(columns, labels).generate_dataloader(
            x_val=columns,
            y_val=labels,
            x_test=columns,
            y_test=labels,
            batch_size=self.job.batch_size,
        )
        self.trainer.train_one_epoch(loader)

    def load_test(self) -> None:
        """Read the test log."""
        self.test_columns = self.reader.test().columns()

    def predict(self) -> Floats:
        """Probabilities."""
        loader = DataLoader(PredictDataset(self.test_columns), batch_size=PREDICTED_AT_ONCE)
        return self.trainer.predict(self.trainer.model, loader)

    def _features(self) -> list[Feature]:
        sizes = dict(zip(CATEGORICALS, self.log.sizes, strict=True))
        features: list[Feature] = [
            SparseFeature(name, size, EMBEDDING_DIM) for name, size in sizes.items()
        ]
        if self.job.has_history:
            item = CATEGORICALS[ITEM]
            features.append(
                SequenceFeature(
                    HISTORY,
                    sizes[item],
                    EMBEDDING_DIM,
                    pooling="mean",
                    shared_with=item,
                    padding_idx=PADDING,
                )
            )
        return [*features, *(DenseFeature(name) for name in NUMBERS)]

    def _model(self, features: list[Feature]) -> MMOE | PLE | SharedBottom:
        kinds = [KIND] * len(self.job.tasks)
        expert, towers = {"dims": list(EXPERT_LAYERS)}, [{"dims": list(TOWER)} for _ in kinds]
        if self.job.architecture == "mmoe":
            return MMOE(features, kinds, NUM_EXPERTS, expert, towers)
        if self.job.architecture == "ple":
            return PLE(features, kinds, 1, TASK_EXPERTS, SHARED_EXPERTS, expert, towers)
        if self.job.architecture == "shared_bottom":
            return SharedBottom(features, kinds, expert, towers)
        raise NotOfferedError("it has no model with a network for each task over common tables")


if __name__ == "__main__":
    measure(TorchRechub)
