"""From Parquet to arrays, as fast as it goes: what is given to rivals that want arrays.

Ids that are integers from 0 stay what they are. Others are encoded by the values of the training
log, with one id for all that it lacks, since the libraries leave that to their users.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from .job import Job
from .log import CATEGORICALS, HISTORY, ITEM, LONGEST_HISTORY, NUMBERS, PADDING, VOCABULARIES

UNKNOWN = 0
"""Also the padding of histories, so that an item that is not known counts as absent there."""


@dataclass
class Arrays:
    """A log in memory.

    Attributes:
        ids: int32 `[N, C]`.
        numbers: float32 `[N, M]`.
        history: int32 `[N, L]`, filled with 0; None where the job has none.
        labels: float32 `[N, T]`.
        sizes: of each column's vocabulary; the history's is that of the items.
    """

    ids: NDArray[np.int32]
    numbers: NDArray[np.float32]
    history: NDArray[np.int32] | None
    labels: NDArray[np.float32]
    sizes: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def columns(self) -> dict[str, NDArray[np.int32] | NDArray[np.float32]]:
        """The features by name, each contiguous."""
        found: dict[str, NDArray[np.int32] | NDArray[np.float32]] = {
            name: np.ascontiguousarray(self.ids[:, place])
            for place, name in enumerate(CATEGORICALS)
        }
        found |= {
            name: np.ascontiguousarray(self.numbers[:, place]) for place, name in enumerate(NUMBERS)
        }
        return found if self.history is None else found | {HISTORY: self.history}


class ArrayReader:
    """Reads the training log, and then the test log by the same vocabularies."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._values: dict[int, pa.Array] = {}

    def train(self) -> Arrays:
        """The training log."""
        table = pq.read_table(self.job.train)
        for place, name in enumerate(CATEGORICALS):
            if table.schema.field(name).type != pa.int32():
                self._values[place] = self._values_of(table, place)
        return self._read(table)

    def test(self) -> Arrays:
        """The test log."""
        return self._read(pq.read_table(self.job.test))

    def _values_of(self, table: pa.Table, place: int) -> pa.Array:
        values = table.column(CATEGORICALS[place]).unique()
        if place == ITEM and self.job.has_history:
            items = _flat(table).unique()
            values = pa.chunked_array([values, items]).unique()
        return values

    def _read(self, table: pa.Table) -> Arrays:
        ids = [
            self._encode(place, table.column(name)).to_numpy()
            for place, name in enumerate(CATEGORICALS)
        ]
        sizes = tuple(
            len(self._values[place]) + 1 if place in self._values else size
            for place, size in enumerate(VOCABULARIES)
        )
        return Arrays(
            np.stack(ids, axis=1),
            np.stack([table.column(name).to_numpy() for name in NUMBERS], axis=1),
            self._history(table) if self.job.has_history else None,
            np.stack([table.column(n).to_numpy() for n in self.job.tasks], 1).astype(np.float32),
            sizes,
        )

    def _history(self, table: pa.Table) -> NDArray[np.int32]:
        lengths = pc.list_value_length(table.column(HISTORY)).to_numpy()
        history = np.full((len(lengths), LONGEST_HISTORY), PADDING, dtype=np.int32)
        is_item = np.arange(LONGEST_HISTORY) < lengths[:, None]
        history[is_item] = self._encode(ITEM, _flat(table)).to_numpy()
        return history

    def _encode(self, place: int, values: pa.Array | pa.ChunkedArray) -> pa.Array:
        if place not in self._values:
            return values
        found = pc.index_in(values, value_set=self._values[place])
        return pc.add(pc.fill_null(found, pa.scalar(UNKNOWN - 1, pa.int32())), 1)


def _flat(table: pa.Table) -> pa.Array:
    """The items of all histories, one after another."""
    return table.column(HISTORY).combine_chunks().flatten()
