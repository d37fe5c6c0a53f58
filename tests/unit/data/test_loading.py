"""Batches out of a store: order, sampling, requests, resuming, prefetching."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.unit.data.store_making import Made, make

from plait.data.batch import Batch
from plait.data.loading import BatchLoader, Companions, NegativeSampling
from plait.data.store import Store
from plait.errors import LoaderError, UnknownNameError

NUM_ROWS = 103


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make(tmp_path_factory.mktemp("stores") / "train", NUM_ROWS, chunk_rows=50)


@pytest.fixture(scope="module")
def store(made: Made) -> Store:
    return made.store


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return make(tmp_path_factory.mktemp("stores") / "empty", 0).store


def rows_of(batches: Iterator[Batch] | BatchLoader) -> list[list[int]]:
    return [batch.rows.tolist() for batch in batches]


def flat(loader: BatchLoader) -> list[int]:
    return [row for batch in rows_of(loader) for row in batch]


def assert_same_bits(one: list[Batch], other: list[Batch]) -> None:
    assert len(one) == len(other)
    for mine, its in zip(one, other, strict=True):
        assert torch.equal(mine.rows, its.rows)
        assert torch.equal(mine.ids, its.ids)
        assert torch.equal(mine.numbers, its.numbers)
        assert torch.equal(mine.lists["tags"].values, its.lists["tags"].values)
        assert torch.equal(mine.weights["buy"], its.weights["buy"])


@pytest.mark.parametrize("block_rows", [None, 1, 4, 1000])
@pytest.mark.parametrize("prefetch", [0, 1, 5])
def test_every_row_comes_once_an_epoch(store: Store, block_rows: int | None, prefetch: int) -> None:
    loader = BatchLoader(store, 10, block_rows=block_rows, prefetch=prefetch)
    batches = rows_of(loader)
    assert sorted(row for batch in batches for row in batch) == list(range(NUM_ROWS))
    assert [len(batch) for batch in batches] == [10] * 10 + [3]
    assert len(loader) == 11


def test_without_shuffling_rows_keep_the_order_of_the_store(store: Store) -> None:
    assert flat(BatchLoader(store, 7, shuffle=False)) == list(range(NUM_ROWS))


def test_the_last_batch_may_be_left_out(store: Store) -> None:
    loader = BatchLoader(store, 10, drop_last=True)
    assert [len(batch) for batch in loader] == [10] * 10
    assert len(loader) == 10


def test_case_119_one_seed_gives_the_same_batches_and_another_others(store: Store) -> None:
    one, same, other = (BatchLoader(store, 10, seed=seed) for seed in (3, 3, 4))
    assert_same_bits(list(one), list(same))
    assert flat(BatchLoader(store, 10, seed=3)) != flat(other)


def test_each_epoch_has_its_own_order_that_can_be_asked_for(store: Store) -> None:
    loader = BatchLoader(store, 10)
    first, second = flat(loader), flat(loader)
    assert first != second
    assert loader.epoch == 2
    loader.epoch = 1
    assert flat(loader) == second


def test_blocks_mix_rows_within_a_window_and_read_in_runs(store: Store) -> None:
    order = flat(BatchLoader(store, NUM_ROWS, block_rows=2))
    window = {row // 2 for row in order[:32]}
    assert len(window) == 16
    assert order[:32] != sorted(order[:32])


@pytest.mark.parametrize("prefetch", [0, 2])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"block_rows": 3},
        {"group_by": "request"},
        {"negatives": NegativeSampling(keep_rate=0.5)},
    ],
)
def test_a_stopped_epoch_resumes_at_the_very_next_batch(
    store: Store, options: dict[str, Any], prefetch: int
) -> None:
    whole = BatchLoader(store, 10, prefetch=prefetch, **options)
    expected = [*whole, *whole]
    stopped = BatchLoader(store, 10, prefetch=prefetch, **options)
    seen = []
    iterator = iter(stopped)
    for batch in islice(iterator, 4):
        seen.append(batch)
        state = stopped.state_dict()
    iterator.close()  # type: ignore[attr-defined]  # a generator
    resumed = BatchLoader(store, 10, prefetch=prefetch, **options)
    resumed.load_state_dict(state)
    assert_same_bits([*seen, *resumed, *resumed], expected)


def test_a_state_taken_after_the_last_batch_resumes_with_the_next_epoch(store: Store) -> None:
    loader = BatchLoader(store, 10)
    for _ in loader:
        state = loader.state_dict()
    resumed = BatchLoader(store, 10)
    resumed.load_state_dict(state)
    assert list(resumed) == []
    assert resumed.epoch == 1
    assert_same_bits(list(resumed), list(loader))


def test_stopping_early_and_starting_again_starts_the_epoch_again(store: Store) -> None:
    loader = BatchLoader(store, 10)
    first = next(iter(loader))
    assert torch.equal(next(iter(loader)).rows, first.rows)


def test_a_state_of_another_loader_is_refused(store: Store) -> None:
    state = BatchLoader(store, 10, seed=1).state_dict()
    with pytest.raises(LoaderError, match=r"seed was 1 and is 0, batch_size was 10 and is 20"):
        BatchLoader(store, 20).load_state_dict(state)


@settings(max_examples=20)
@given(
    requests=st.lists(st.integers(-3, 9), min_size=1, max_size=40),
    batch_size=st.integers(1, 12),
    shuffle=st.booleans(),
)
def test_batches_hold_whole_requests(
    tmp_path_factory: pytest.TempPathFactory, requests: list[int], batch_size: int, *, shuffle: bool
) -> None:
    codes = np.array(requests)
    folder = tmp_path_factory.mktemp("requests") / "s"
    store = make(folder, len(codes), chunk_rows=100, requests=codes).store
    loader = BatchLoader(store, batch_size, group_by="request", shuffle=shuffle)
    length = len(loader)
    batches = rows_of(loader)
    assert sorted(row for batch in batches for row in batch) == list(range(len(codes)))
    assert length == len(batches)
    in_batches = [list(dict.fromkeys(codes[batch].tolist())) for batch in batches]
    together = [request for batch in in_batches for request in batch]
    assert len(together) == len(set(together))
    for batch, inside in zip(batches, in_batches, strict=True):
        assert len(batch) <= batch_size or len(inside) == 1
    sizes = {request: requests.count(request) for request in together}
    for batch, following in zip(batches, in_batches[1:], strict=False):
        assert len(batch) + sizes[following[0]] > batch_size


def test_without_shuffling_requests_come_in_the_order_of_their_first_rows(tmp_path: Path) -> None:
    codes = np.array([5, 2, 5, 9, 2])
    store = make(tmp_path / "s", 5, requests=codes).store
    batches = rows_of(BatchLoader(store, 3, group_by="request", shuffle=False))
    assert batches == [[0, 2], [1, 4, 3]]


def test_positives_stay_and_others_are_drawn_anew_each_epoch(made: Made) -> None:
    loader = BatchLoader(made.store, 10, negatives=NegativeSampling(keep_rate=0.4))
    positives = set(np.flatnonzero((made.labels > 0).any(axis=1)).tolist())
    first, second = set(flat(loader)), set(flat(loader))
    assert positives <= first & second
    assert first != second
    assert 0 < len(first - positives) < NUM_ROWS - len(positives)


def test_the_length_is_that_of_the_epoch_to_come(store: Store) -> None:
    loader = BatchLoader(store, 10, negatives=NegativeSampling(keep_rate=0.4))
    for _ in range(4):
        expected = len(loader)
        assert len(list(loader)) == expected


def test_kept_others_weigh_more_for_every_task_and_positives_do_not(made: Made) -> None:
    sampling = NegativeSampling(keep_rate=0.25, tasks=("click",))
    for batch in BatchLoader(made.store, 10, negatives=sampling):
        rows = batch.rows.numpy()
        factor = np.where(made.labels[rows, 0] > 0, 1, 4)
        for place, task in enumerate(("click", "buy")):
            np.testing.assert_allclose(batch.weights[task], made.weights[rows, place] * factor)


def test_the_expected_weighted_loss_of_every_task_is_that_of_all_rows(made: Made) -> None:
    losses = np.random.default_rng(5).random((NUM_ROWS, 2))
    sampling = NegativeSampling(keep_rate=0.3, tasks=("click",))
    loader = BatchLoader(made.store, 50, negatives=sampling, prefetch=0)
    totals = []
    for _ in range(400):
        total = np.zeros(2)
        for batch in loader:
            rows = batch.rows.numpy()
            for place, task in enumerate(("click", "buy")):
                total[place] += (batch.weights[task].numpy() * losses[rows, place]).sum()
        totals.append(total)
    expected = (made.weights * losses).sum(axis=0)
    error = np.std(totals, axis=0) / np.sqrt(len(totals))
    assert (np.abs(np.mean(totals, axis=0) - expected) < 3 * error).all()


def test_keeping_all_negatives_changes_nothing(store: Store) -> None:
    sampled = BatchLoader(store, 10, negatives=NegativeSampling(keep_rate=1.0))
    assert_same_bits(list(sampled), list(BatchLoader(store, 10)))


@pytest.mark.parametrize(
    "options", [{}, {"block_rows": 3}, {"group_by": "request"}, {"drop_last": True}]
)
def test_an_empty_store_has_no_batches(empty: Store, options: dict[str, Any]) -> None:
    loader = BatchLoader(empty, 10, **options)
    assert len(loader) == 0
    assert list(loader) == []
    assert loader.epoch == 1


def test_a_batch_without_an_observed_row_of_a_task_is_a_batch(made: Made) -> None:
    unobserved = np.flatnonzero(~made.observed[:, 1])
    batch = made.store.batch(unobserved)
    assert not batch.observed["buy"].any()
    assert batch.labels["buy"].abs().sum() == 0


def loader_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if "plait-loader" in thread.name]


def test_an_error_in_the_background_reaches_the_consumer(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch_of = Store.batch

    def fail(self: Store, rows: NDArray[np.int64]) -> Batch:
        if 50 in rows:
            raise RuntimeError("a page could not be read")
        return batch_of(self, rows)

    monkeypatch.setattr(Store, "batch", fail)
    loader = BatchLoader(store, 10, shuffle=False, prefetch=2)
    with pytest.raises(RuntimeError, match="a page could not be read"):
        list(loader)
    assert loader_threads() == []
    assert loader.state_dict()["position"] == 5


def test_a_consumer_that_stops_early_leaves_no_thread(store: Store) -> None:
    iterator = iter(BatchLoader(store, 1, prefetch=4))
    next(iterator)
    assert len(loader_threads()) == 1
    iterator.close()  # type: ignore[attr-defined]  # a generator
    assert loader_threads() == []


def test_batches_are_made_ahead(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = threading.Semaphore(0)
    batch_of = Store.batch

    def watched(self: Store, rows: NDArray[np.int64]) -> Batch:
        asked.release()
        return batch_of(self, rows)

    monkeypatch.setattr(Store, "batch", watched)
    iterator = iter(BatchLoader(store, 10, prefetch=2))
    next(iterator)
    assert all(asked.acquire(timeout=60) for _ in range(3))
    assert not asked.acquire(blocking=False)
    iterator.close()  # type: ignore[attr-defined]  # a generator


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "`batch_size` must be positive, got 0"),
        ({"seed": -1}, "`seed` must not be negative, got -1"),
        ({"prefetch": -1}, "`prefetch` must not be negative"),
        ({"block_rows": 0}, "`block_rows` must be positive"),
        ({"block_rows": 2, "shuffle": False}, "`block_rows` is a way to shuffle"),
        ({"group_by": "user"}, "`group_by` is 'request' or None, got 'user'"),
        (
            {"group_by": "request", "negatives": NegativeSampling(keep_rate=0.5)},
            "`negatives` would break the whole requests",
        ),
        ({"group_by": "request", "block_rows": 2}, "`block_rows` shuffles rows"),
        ({"group_by": "request", "drop_last": True}, "`drop_last` has no meaning"),
    ],
)
def test_options_that_cannot_be_are_refused(
    store: Store, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(LoaderError, match=message):
        BatchLoader(store, **{"batch_size": 10, **options})


def test_whole_requests_need_the_role(made: Made) -> None:
    opened = Store.open(made.store.folder)
    object.__setattr__(opened.layout, "keys", ("user",))
    with pytest.raises(LoaderError, match="needs the role `request`"):
        BatchLoader(opened, 10, group_by="request")


@pytest.mark.parametrize("rate", [0.0, -0.1, 1.1, float("nan")])
def test_keep_rates_outside_their_range_are_refused(rate: float) -> None:
    with pytest.raises(LoaderError, match="`keep_rate` must lie above 0 and at most at 1"):
        NegativeSampling(keep_rate=rate)


def test_sampling_by_an_unknown_task_is_refused(store: Store) -> None:
    with pytest.raises(UnknownNameError, match="no task 'clik'"):
        BatchLoader(store, 10, negatives=NegativeSampling(keep_rate=0.5, tasks=("clik",)))


def test_an_epoch_goes_through_the_rows_that_are_named(store: Store) -> None:
    chosen = np.arange(0, store.num_rows, 3)
    for options in ({}, {"block_rows": 4}):
        loader = BatchLoader(store, 7, rows=chosen, **options)
        batches = list(loader)
        seen = torch.cat([batch.rows for batch in batches]).numpy()
        assert sorted(seen) == chosen.tolist()
        loader.epoch = 0
        assert len(loader) == len(batches)
        assert loader.state_dict()["num_rows"] == len(chosen)


def test_requests_are_whole_among_the_rows_that_are_named(store: Store) -> None:
    chosen = np.flatnonzero(np.arange(store.num_rows) % 4 != 1)
    codes = store.key("request")
    batches = list(BatchLoader(store, 9, group_by="request", rows=chosen))
    assert sorted(torch.cat([b.rows for b in batches]).tolist()) == chosen.tolist()
    homes = [{int(c) for c in codes[b.rows.numpy()]} for b in batches]
    assert sum(map(len, homes)) == len(set.union(*homes))


def test_companions_stand_behind_each_batch_and_come_round(store: Store) -> None:
    rows, others = np.arange(0, 20), np.arange(20, 27)
    companions = Companions(rows=others, per_row=1.5)
    loader = BatchLoader(store, 8, rows=rows, companions=companions)
    batches = list(loader)
    assert [len(batch) for batch in batches] == [8 + 12, 8 + 12, 4 + 6]
    behind = np.concatenate([b.rows[n:].numpy() for b, n in zip(batches, (8, 8, 4), strict=True)])
    assert sorted(behind[:7]) == others.tolist()
    assert sorted(behind[7:14]) == others.tolist()
    again = list(loader)
    assert [b.rows.tolist() for b in again] != [b.rows.tolist() for b in batches]


def test_a_stopped_epoch_resumes_with_the_same_companions(store: Store) -> None:
    def made() -> BatchLoader:
        companions = Companions(rows=np.arange(20, 40), per_row=2.0)
        return BatchLoader(store, 4, rows=np.arange(0, 20), companions=companions)

    whole = [batch.rows.tolist() for batch in made()]
    stopped = made()
    first = [batch.rows.tolist() for batch in islice(iter(stopped), 2)]
    resumed = made()
    resumed.load_state_dict(stopped.state_dict())
    assert first + [batch.rows.tolist() for batch in resumed] == whole


def test_companions_that_cannot_be_are_refused() -> None:
    with pytest.raises(LoaderError, match="`companions` has no rows"):
        Companions(rows=np.empty(0, np.int64))
    with pytest.raises(LoaderError, match="`per_row` must be positive, got 0"):
        Companions(rows=np.arange(3), per_row=0)
