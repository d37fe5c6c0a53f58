"""Batches out of a store: shuffled, sampled, grouped by request, resumable, prefetched.

Nothing is done row by row in Python: an epoch is an array of row positions, a batch is a slice of
it, and a slice is gathered with one copy per group of columns.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from plait.errors import LoaderError

from .batch import Batch
from .grouping import RequestIndex
from .mapped import runs
from .store import Store

__all__ = ["BatchLoader", "NegativeSampling"]

WINDOW_BLOCKS = 16
_SHUFFLE, _NEGATIVES, _COMPANIONS = 0, 1, 2

Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class NegativeSampling:
    """Train on all positives and on a share of the other rows, without bias.

    A row stays if any of the tasks is positive on it; other rows stay with probability
    `keep_rate`, drawn anew each epoch. As keeping depends on the labels of *all* these tasks, a
    correction task by task would be wrong: the weights of kept others are multiplied by
    `1 / keep_rate` for every task, so that every expected loss is that of all rows.

    Attributes:
        tasks: whose positives are kept; None: those of all tasks.
        keep_rate: share of the other rows that is kept.

    Raises:
        LoaderError: the rate is not above 0 and at most 1.
    """

    keep_rate: float
    tasks: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if not 0 < self.keep_rate <= 1:
            raise LoaderError(
                f"`keep_rate` must lie above 0 and at most at 1, got {self.keep_rate}."
            )


@dataclass(frozen=True, kw_only=True)
class Companions:
    """Rows that stand behind the rows of each batch, such as rows without any label.

    The rows of a batch are what an epoch goes through; its companions are drawn beside them, in a
    new order each epoch, and from the start again where an epoch needs more than there are.

    Attributes:
        rows: int64, positions in the store.
        per_row: how many a batch gets for each of its rows, rounded.

    Raises:
        LoaderError: no rows, or a number that is not positive.
    """

    rows: Rows
    per_row: float = 1.0

    def __post_init__(self) -> None:
        if not len(self.rows):
            raise LoaderError("`companions` has no rows. Leave it out where there are none.")
        if not 0 < self.per_row < np.inf:
            raise LoaderError(f"`per_row` must be positive, got {self.per_row}.")

    def behind(self, batches: Iterator[Rows], generator: np.random.Generator) -> Iterator[Rows]:
        """The batches of an epoch, each with its companions behind it."""
        order = generator.permutation(self.rows)
        at = 0
        for batch in batches:
            number = round(self.per_row * len(batch))
            yield np.concatenate([batch, order.take(np.arange(at, at + number), mode="wrap")])
            at += number


class BatchLoader:
    """Go through a store in batches, the same ones for the same seed and epoch.

    Stability: stable.

    Each `iter` starts the epoch `epoch`; reaching its end moves `epoch` on by one. `state_dict`
    says which batch comes next, and the first `iter` after `load_state_dict` starts there, with
    the same bits.

    An exact shuffle draws a permutation of all rows: 8 bytes a row. With `block_rows` the blocks
    of that many consecutive rows are shuffled, and then the rows within a window of 16 blocks:
    disk is read in runs and memory holds a window, but a row only meets the 16 blocks that it was
    drawn with. So make blocks small beside the log (a thousandth), or order the log at random.

    Args:
        store: the rows.
        batch_size: rows in a batch.
        shuffle: another order each epoch; False: the order of the store.
        seed: of the order and of the sampling.
        drop_last: leave out the last batch where it is not full.
        group_by: `request`: batches hold whole requests. A batch ends before the request that
            would bring it above `batch_size`; a longer request is a batch of its own.
        block_rows: None for the exact shuffle, else rows in a block.
        negatives: how rows without a positive are sampled; None: all rows.
        prefetch: batches made ahead in a background thread; 0: none.
        rows: int64, the positions in the store that an epoch goes through. None: all.
        companions: rows that stand behind those of each batch, beyond `batch_size`.

    Raises:
        LoaderError: options that contradict each other or the store.
        UnknownNameError: `negatives` names a task that the store does not have.
    """

    def __init__(
        self,
        store: Store,
        batch_size: int,
        *,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
        group_by: Literal["request"] | None = None,
        block_rows: int | None = None,
        negatives: NegativeSampling | None = None,
        prefetch: int = 1,
        rows: Rows | None = None,
        companions: Companions | None = None,
    ) -> None:
        self.store = store
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.drop_last = drop_last
        self.group_by = group_by
        self.block_rows = block_rows
        self.negatives = negatives
        self.prefetch = prefetch
        self.rows = rows
        self.companions = companions
        self._epoch = 0
        self._position = 0
        self._start = 0
        self._sizes: dict[int, int] = {}
        problems = list(self._problems())
        if problems:
            raise LoaderError("BatchLoader: " + "; ".join(problems) + ".")
        self._positive = None if negatives is None else _positive(store, negatives.tasks)
        self._requests = RequestIndex.of(self._taken(store.key("request"))) if group_by else None

    @property
    def num_rows(self) -> int:
        """How many rows an epoch goes through, before sampling and without companions."""
        return self.store.num_rows if self.rows is None else len(self.rows)

    @property
    def epoch(self) -> int:
        """The epoch that the next `iter` goes through; setting it drops the position within."""
        return self._epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self._epoch, self._position, self._start = epoch, 0, 0

    def __len__(self) -> int:
        """Batches in the epoch `epoch`; sampling and `group_by` make this differ between epochs."""
        if self.negatives is None and self.group_by is None:
            full, rest = divmod(self.num_rows, self.batch_size)
            return full + (rest > 0 and not self.drop_last)
        if self.epoch not in self._sizes:
            self._sizes = {self.epoch: sum(1 for _ in self._batches(self.epoch))}
        return self._sizes[self.epoch]

    def __iter__(self) -> Iterator[Batch]:
        epoch, self._position, self._start = self.epoch, self._start, 0
        plan = islice(self._plan(epoch), self._position, None)
        for batch in self._made(plan):
            self._position += 1
            yield batch
        self.epoch = epoch + 1

    def state_dict(self) -> dict[str, int]:
        """Which batch comes next: epoch and position, and what they count in."""
        return {
            "epoch": self.epoch,
            "position": self._position,
            "seed": self.seed,
            "batch_size": self.batch_size,
            "num_rows": self.num_rows,
        }

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Make the next `iter` start where `state_dict` was taken.

        Raises:
            LoaderError: the state is of another seed, batch size or number of rows.
        """
        own = self.state_dict()
        unlike = [k for k in ("seed", "batch_size", "num_rows") if state[k] != own[k]]
        if unlike:
            shown = ", ".join(f"{key} was {state[key]} and is {own[key]}" for key in unlike)
            raise LoaderError(
                f"This state belongs to another loader: {shown}. Resume with the settings and the "
                "store of the run that was stopped."
            )
        self.epoch = state["epoch"]
        self._position = self._start = state["position"]

    def _plan(self, epoch: int) -> Iterator[Rows]:
        """The rows of each batch, in order, companions behind them."""
        batches = self._batches(epoch)
        if self.companions is None:
            return batches
        return self.companions.behind(batches, self._generator(epoch, _COMPANIONS))

    def _batches(self, epoch: int) -> Iterator[Rows]:
        if self._requests is not None:
            order = self._order(epoch, len(self._requests))
            for batch in self._requests.batches(order, self.batch_size):
                yield self._placed(batch)
            return
        rest = np.empty(0, dtype=np.int64)
        for window in self._sampled(epoch):
            rows = np.concatenate([rest, window]) if len(rest) else window
            full = len(rows) - len(rows) % self.batch_size
            for start in range(0, full, self.batch_size):
                yield rows[start : start + self.batch_size]
            rest = rows[full:]
        if len(rest) and not self.drop_last:
            yield rest

    def _sampled(self, epoch: int) -> Iterator[Rows]:
        """The windows without the rows that negative sampling leaves out."""
        windows = self._windows(epoch)
        if self.negatives is None or self._positive is None:
            yield from windows
            return
        generator = self._generator(epoch, _NEGATIVES)
        for window in windows:
            drawn = generator.random(len(window)) < self.negatives.keep_rate
            yield window[self._positive[window] | drawn]

    def _windows(self, epoch: int) -> Iterator[Rows]:
        """All rows in the order of the epoch, in pieces."""
        if self.block_rows is None:
            yield self._placed(self._order(epoch, self.num_rows))
            return
        generator = self._generator(epoch, _SHUFFLE)
        starts = np.arange(0, self.num_rows, self.block_rows, dtype=np.int64)
        generator.shuffle(starts)
        lengths = np.minimum(self.block_rows, self.num_rows - starts)
        for first in range(0, len(starts), WINDOW_BLOCKS):
            blocks = slice(first, first + WINDOW_BLOCKS)
            rows, _ = runs(starts[blocks], lengths[blocks])
            generator.shuffle(rows)
            yield self._placed(rows)

    def _placed(self, rows: Rows) -> Rows:
        """Positions in the store, from positions in `rows`."""
        return rows if self.rows is None else self.rows[rows]

    def _taken(self, column: NDArray[np.int64]) -> NDArray[np.int64]:
        return column if self.rows is None else column[self.rows]

    def _order(self, epoch: int, number: int) -> Rows:
        if not self.shuffle:
            return np.arange(number, dtype=np.int64)
        return self._generator(epoch, _SHUFFLE).permutation(number).astype(np.int64, copy=False)

    def _generator(self, epoch: int, purpose: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, epoch, purpose])

    def _made(self, plan: Iterator[Rows]) -> Iterator[Batch]:
        """The batches of the plan, made ahead in one thread that ends with the iteration."""
        if not self.prefetch:
            yield from map(self._make, plan)
            return
        waiting: deque[Future[Batch]] = deque()
        with ThreadPoolExecutor(1, thread_name_prefix="plait-loader") as pool:
            try:
                for rows in plan:
                    waiting.append(pool.submit(self._make, rows))
                    if len(waiting) > self.prefetch:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def _make(self, rows: Rows) -> Batch:
        batch = self.store.batch(rows)
        if self.negatives is None or self._positive is None:
            return batch
        factors = np.where(self._positive[rows], 1.0, 1.0 / self.negatives.keep_rate)
        factor = torch.from_numpy(factors.astype(np.float32))  # [B]
        return replace(batch, weights={task: w * factor for task, w in batch.weights.items()})

    def _problems(self) -> Iterator[str]:
        if self.batch_size < 1:
            yield f"`batch_size` must be positive, got {self.batch_size}"
        if self.seed < 0:
            yield f"`seed` must not be negative, got {self.seed}"
        if self.prefetch < 0:
            yield f"`prefetch` must not be negative, got {self.prefetch}"
        if self.block_rows is not None and self.block_rows < 1:
            yield f"`block_rows` must be positive, got {self.block_rows}"
        if self.block_rows is not None and not self.shuffle:
            yield "`block_rows` is a way to shuffle; leave it out where `shuffle` is False"
        if self.group_by is not None:
            yield from self._group_problems()

    def _group_problems(self) -> Iterator[str]:
        if self.group_by != "request":
            yield f"`group_by` is 'request' or None, got {self.group_by!r}"
        elif "request" not in self.store.layout.keys:
            yield "`group_by` needs the role `request` in the schema, and the store has none"
        if self.negatives is not None:
            yield "`negatives` would break the whole requests that `group_by` asks for"
        if self.block_rows is not None:
            yield "`block_rows` shuffles rows, and `group_by` keeps requests together"
        if self.drop_last:
            yield "`drop_last` has no meaning with `group_by`, whose batches are rarely full"


def _positive(store: Store, tasks: tuple[str, ...] | None) -> NDArray[np.bool_]:
    """Rows on which one of the tasks is positive."""
    positive = np.zeros(store.num_rows, dtype=np.bool_)
    for task in store.tasks if tasks is None else tasks:
        positive |= (store.labels(task) > 0) & store.observed(task)
    return positive
