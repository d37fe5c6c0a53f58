"""The reference's network over fbgemm's table-batched embeddings: what torchrec trains with.

All tables are looked up and pooled by one compiled operator, which updates the touched rows within
the backward pass. Its rule on processors is row-wise Adagrad; it offers no Adam there.
"""

from __future__ import annotations

import torch
from fbgemm_gpu.split_embedding_configs import EmbOptimType
from fbgemm_gpu.split_table_batched_embeddings_ops_training import (
    ComputeDevice,
    EmbeddingLocation,
    PoolingMode,
    SplitTableBatchedEmbeddingBagsCodegen,
)
from torch import Tensor
from torch.nn import functional

from .arrays import ArrayReader
from .job import EMBEDDING_DIM, LEARNING_RATE, PREDICTED_AT_ONCE
from .log import ITEM
from .measuring import Floats, Rival, measure
from .net import Net, allow_onednn, autocast, loss_of
from .reference import INITIAL_SCALE, Tensors

TABLE_LEARNING_RATE = 0.02
EPSILON = 1e-8


class Fbgemm(Rival):
    """fbgemm's tables under the reference's network."""

    package = "fbgemm-gpu-cpu"

    def load(self) -> int:
        """Read, and look at the arrays as tensors."""
        self.reader = ArrayReader(self.job)
        arrays = self.reader.train()
        self.sizes = arrays.sizes
        self.log = Tensors.of(arrays)
        return len(arrays)

    def build(self) -> None:
        """The tables and the network."""
        allow_onednn()
        self.num_table_rows = sum(self.sizes)
        self.tables = SplitTableBatchedEmbeddingBagsCodegen(
            [
                (size, EMBEDDING_DIM, EmbeddingLocation.HOST, ComputeDevice.CPU)
                for size in self.sizes
            ],
            feature_table_map=self._table_of_each_feature(),
            optimizer=EmbOptimType.EXACT_ROWWISE_ADAGRAD,
            learning_rate=TABLE_LEARNING_RATE,
            eps=EPSILON,
            pooling_mode=PoolingMode.MEAN,
        )
        self.tables.init_embedding_weights_uniform(-INITIAL_SCALE, INITIAL_SCALE)
        self.net = Net(self.job)
        self.optimizer = torch.optim.Adam(self.net.parameters(), LEARNING_RATE, fused=True)

    def fit(self) -> None:
        """An epoch in random order."""
        for chosen in torch.randperm(len(self.log.ids)).split(self.job.batch_size):
            batch = self.log.rows(chosen)
            loss = loss_of(self._logits(batch), batch.labels)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()

    def load_test(self) -> None:
        """Read the test log."""
        self.test_log = Tensors.of(self.reader.test())

    @torch.no_grad()
    def predict(self) -> Floats:
        """Probabilities, in slices of rows."""
        starts = range(0, len(self.test_log.ids), PREDICTED_AT_ONCE)
        batches = (self.test_log.rows(slice(s, s + PREDICTED_AT_ONCE)) for s in starts)
        return torch.cat([self._logits(batch).sigmoid() for batch in batches]).numpy()

    def _table_of_each_feature(self) -> list[int]:
        """The history stands behind the items, since features of one table must be neighbours."""
        tables = list(range(len(self.sizes)))
        return sorted([*tables, ITEM]) if self.job.has_history else tables

    def _logits(self, batch: Tensors) -> Tensor:
        vectors = self.tables(*_bags(batch))  # [B, F * d]
        with autocast(self.job):
            logits: Tensor = self.net(torch.cat([vectors, batch.numbers], dim=1))
        return logits


def _bags(batch: Tensors) -> tuple[Tensor, Tensor]:
    """The ids of every feature, one feature after another, and where each row's begin."""
    ids, ones = batch.ids, torch.ones(len(batch.ids), dtype=torch.int64)
    if batch.history is None:
        return ids.t().flatten().long(), torch.arange(ids.numel() + 1)
    before = ITEM + 1
    is_item = batch.history > 0
    values = [ids[:, :before].t().flatten(), batch.history[is_item], ids[:, before:].t().flatten()]
    lengths = [ones.repeat(before), is_item.sum(dim=1), ones.repeat(ids.shape[1] - before)]
    return torch.cat(values).long(), functional.pad(torch.cat(lengths).cumsum(0), (1, 0))


if __name__ == "__main__":
    measure(Fbgemm)
