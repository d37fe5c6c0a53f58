"""What a hundred lines of PyTorch reach: one table, the touched rows only, products by oneDNN.

All columns and the history are looked up at once, in one table with offsets. A step updates the
distinct rows of its batch by an Adam of its own, and the network by PyTorch's fused one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .arrays import ArrayReader, Arrays
from .job import EMBEDDING_DIM, LEARNING_RATE, PREDICTED_AT_ONCE
from .log import ITEM
from .measuring import Floats, Rival, measure
from .net import Net, allow_onednn, autocast, loss_of

INITIAL_SCALE = 0.01
BETAS, EPSILON = (0.9, 0.999), 1e-8


class Tensors(NamedTuple):
    """The arrays of a log, as tensors that share their memory."""

    ids: Tensor
    numbers: Tensor
    history: Tensor | None
    labels: Tensor

    @classmethod
    def of(cls, arrays: Arrays) -> Tensors:
        """Tensors of these arrays."""
        history = None if arrays.history is None else torch.from_numpy(arrays.history)
        ids, numbers, labels = map(torch.from_numpy, (arrays.ids, arrays.numbers, arrays.labels))
        return cls(ids, numbers, history, labels)

    def rows(self, chosen: Tensor | slice) -> Tensors:
        """These rows alone."""
        history = None if self.history is None else self.history[chosen]
        return Tensors(self.ids[chosen], self.numbers[chosen], history, self.labels[chosen])


class Table:
    """One table for all columns, with Adam's moments of every row."""

    def __init__(self, sizes: tuple[int, ...]) -> None:
        starts = np.cumsum([0, *sizes[:-1]])
        self.starts = torch.tensor(starts, dtype=torch.int32)
        self.num_rows = sum(sizes)
        self.weight = torch.empty(self.num_rows, EMBEDDING_DIM).normal_(0, INITIAL_SCALE)
        self.mean, self.square = torch.zeros_like(self.weight), torch.zeros_like(self.weight)
        self._place = torch.empty(self.num_rows, dtype=torch.int64)
        self._steps = 0

    def rows_of(self, batch: Tensors) -> Tensor:
        """Which rows a batch reads, `[B, C + L]`: those of the columns, then of the history."""
        rows = batch.ids + self.starts
        if batch.history is None:
            return rows
        return torch.cat([rows, batch.history + self.starts[ITEM]], dim=1)

    def distinct(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The distinct rows, and each row as its place among them, without sorting.

        Every row notes a place at which it stands; whoever finds its own place noted is kept.
        """
        flat = rows.flatten().long()
        places = torch.arange(len(flat))
        self._place[flat] = places
        noted = self._place[flat]
        is_kept = noted == places
        return flat[is_kept], (is_kept.cumsum(0) - 1)[noted].view(rows.shape)

    def update(self, rows: Tensor, values: Tensor, gradient: Tensor) -> None:
        """A step of Adam on distinct rows; all others stay as they are."""
        self._steps += 1
        first, second = BETAS
        mean = self.mean[rows].lerp_(gradient, 1 - first)
        square = self.square[rows].mul_(second).addcmul_(gradient, gradient, value=1 - second)
        self.mean[rows], self.square[rows] = mean, square
        root = square.sqrt_().div_((1 - second**self._steps) ** 0.5).add_(EPSILON)
        rate = LEARNING_RATE / (1 - first**self._steps)
        self.weight[rows] = values.addcdiv_(mean, root, value=-rate)


class Reference(Rival):
    """Hand-written PyTorch."""

    package = "torch"

    def load(self) -> int:
        """Read, and look at the arrays as tensors."""
        self.reader = ArrayReader(self.job)
        arrays = self.reader.train()
        self.sizes = arrays.sizes
        self.log = Tensors.of(arrays)
        return len(arrays)

    def build(self) -> None:
        """The table and the network."""
        allow_onednn()
        self.table = Table(self.sizes)
        self.num_table_rows = self.table.num_rows
        self.net = Net(self.job)
        self.optimizer = torch.optim.Adam(self.net.parameters(), LEARNING_RATE, fused=True)

    def fit(self) -> None:
        """An epoch in random order."""
        for chosen in torch.randperm(len(self.log.ids)).split(self.job.batch_size):
            self._step(self.log.rows(chosen))

    def load_test(self) -> None:
        """Read the test log."""
        self.test_log = Tensors.of(self.reader.test())

    @torch.no_grad()
    def predict(self) -> Floats:
        """Probabilities, in slices of rows."""
        found = []
        for start in range(0, len(self.test_log.ids), PREDICTED_AT_ONCE):
            batch = self.test_log.rows(slice(start, start + PREDICTED_AT_ONCE))
            vectors = functional.embedding(self.table.rows_of(batch), self.table.weight)
            found.append(self._logits(vectors, batch).sigmoid())
        return torch.cat(found).numpy()

    def _step(self, batch: Tensors) -> None:
        distinct, places = self.table.distinct(self.table.rows_of(batch))
        values = self.table.weight[distinct].requires_grad_()
        loss = loss_of(self._logits(functional.embedding(places, values), batch), batch.labels)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        assert values.grad is not None
        self.table.update(distinct, values.detach(), values.grad)

    def _logits(self, vectors: Tensor, batch: Tensors) -> Tensor:
        with autocast(self.job):
            logits: Tensor = self.net(_inputs(vectors, batch))
        return logits


def _inputs(vectors: Tensor, batch: Tensors) -> Tensor:
    """The columns' vectors, the mean over the history and the numbers, `[B, D]`."""
    num_columns = batch.ids.shape[1]
    inputs = [vectors[:, :num_columns].flatten(1)]
    if batch.history is not None:
        is_item = (batch.history > 0).to(vectors.dtype)
        share = is_item / is_item.sum(dim=1, keepdim=True).clamp(min=1)
        inputs.append(torch.bmm(share.unsqueeze(1), vectors[:, num_columns:]).squeeze(1))
    return torch.cat([*inputs, batch.numbers], dim=1)


if __name__ == "__main__":
    measure(Reference)
