"""Which labels are left: exact numbers, drawn by the seed, nested, and never too few to learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.unit.data.store_making import Made, make
from tests.unit.makers import Data, make_data, make_model

from plait.data.store import Store
from plait.errors import ConfigurationError
from plait.studies.learn_curve.hiding import check_labels_left, fewer_labels
from plait.tasks import Binary, Ranking, Regression, Task

CLICK, BUY = Binary("click"), Binary("buy")
ROWS = 400


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    requests = np.arange(ROWS) // 4
    return make(tmp_path_factory.mktemp("stores") / "train", ROWS, requests=requests)


def left(
    made: Made, *tasks: Task, share: float, flip: float = 0.0, seed: int = 0
) -> dict[str, NDArray[np.bool_]]:
    store = fewer_labels(made.store, tasks or (CLICK, BUY), share=share, flip=flip, seed=seed)
    return {name: store.observed(name) for name in store.tasks}


@pytest.mark.parametrize("share", [0.01, 0.05, 0.25, 0.5])
def test_the_share_of_one_task_is_exact_and_other_tasks_keep_theirs(
    made: Made, share: float
) -> None:
    had = made.observed[:, 1]
    found = left(made, BUY, share=share)
    assert found["buy"].sum() == round(share * had.sum())
    assert not (found["buy"] & ~had).any()
    np.testing.assert_array_equal(found["click"], made.observed[:, 0])


def test_of_all_tasks_a_row_keeps_every_label_or_none(made: Made) -> None:
    found = left(made, share=0.3)
    labelled = made.observed.any(axis=1)
    kept = found["click"] | found["buy"]
    assert kept.sum() == round(0.3 * labelled.sum())
    np.testing.assert_array_equal(found["click"], made.observed[:, 0] & kept)
    np.testing.assert_array_equal(found["buy"], made.observed[:, 1] & kept)


def test_a_seed_draws_the_same_rows_and_another_seed_others(made: Made) -> None:
    one, again, other = (left(made, share=0.2, seed=seed)["click"] for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_what_is_left_at_a_share_is_left_at_a_larger_one(made: Made) -> None:
    small, large = (left(made, share=share) for share in (0.05, 0.2))
    for task in ("click", "buy"):
        assert not (small[task] & ~large[task]).any()


def test_all_labels_as_they_are_is_the_store_itself(made: Made) -> None:
    assert fewer_labels(made.store, (CLICK,), share=1, flip=0, seed=0) is made.store


def test_even_a_tiny_share_leaves_a_row(made: Made) -> None:
    assert left(made, BUY, share=1e-6)["buy"].sum() == 1


@pytest.mark.parametrize("share", [1.0, 0.3])
@pytest.mark.parametrize("flip", [0.1, 0.2, 0.5])
def test_as_many_labels_of_each_task_are_turned_round_as_was_said(
    made: Made, share: float, flip: float
) -> None:
    store = fewer_labels(made.store, (CLICK, BUY), share=share, flip=flip, seed=1)
    for place, name in enumerate(store.tasks):
        seen = store.observed(name)
        turned = seen & (store.labels(name) != made.labels[:, place])
        assert turned.sum() == round(flip * seen.sum())
        np.testing.assert_array_equal(store.labels(name)[turned], 1 - made.labels[:, place][turned])
        assert not store.labels(name)[~seen].any()
    facts = store.facts["tasks"]["buy"]
    assert facts["observed"] == store.observed("buy").sum()
    assert facts["positives"] == store.labels("buy").sum()


def test_what_is_turned_round_at_a_share_is_so_at_a_larger_one(made: Made) -> None:
    few, many = (
        fewer_labels(made.store, (CLICK,), share=0.5, flip=flip, seed=0).labels("click")
        for flip in (0.1, 0.3)
    )
    before = left(made, CLICK, share=0.5)["click"] * made.labels[:, 0]
    assert ((few != before) <= (many != before)).all()


def test_turning_says_nothing_of_hiding_and_tasks_turn_apart(made: Made) -> None:
    hidden = left(made, share=0.3)
    turned = left(made, share=0.3, flip=0.4)
    np.testing.assert_array_equal(hidden["click"], turned["click"])
    store = fewer_labels(made.store, (CLICK, BUY), share=1, flip=0.3, seed=0)
    click, buy = (store.labels(n) != made.labels[:, p] for p, n in enumerate(store.tasks))
    both = made.observed.all(axis=1)
    assert (click[both] != buy[both]).any()


def test_only_a_yes_or_no_is_turned_round(made: Made) -> None:
    store = fewer_labels(made.store, (Regression("buy"),), share=0.5, flip=0.5, seed=0)
    seen = store.observed("buy")
    np.testing.assert_array_equal(store.labels("buy")[seen], made.labels[seen, 1])


def test_lists_that_are_ranked_stay_whole(made: Made) -> None:
    found = left(made, Ranking("click", label="click"), BUY, share=0.1)
    requests = made.store.key("request")
    labelled = made.observed.any(axis=1)
    kept = np.unique(requests[found["click"] | found["buy"]])
    assert len(kept) == round(0.1 * len(np.unique(requests[labelled])))
    np.testing.assert_array_equal(found["click"], made.observed[:, 0] & np.isin(requests, kept))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    tasks = (Binary("click"), Regression("rating"))
    return make_data(tmp_path_factory.mktemp("check"), tasks, rows=120, valid_rows=40)


def check(data: Data, store: Store, *tasks: Task) -> None:
    check_labels_left(store, make_model(data), tasks or data.tasks, share=0.01, flip=0.2)


def test_enough_labels_pass(data: Data) -> None:
    check(data, data.train)


@pytest.mark.parametrize(("side", "label"), [("positive", 0.0), ("negative", 1.0)])
def test_a_task_without_one_side_is_told_before_training(
    data: Data, side: str, label: float
) -> None:
    one_sided = data.train.observed("click") & (data.train.labels("click") == label)
    store = data.train.relabelled(observed={"click": one_sided})
    said = (
        r"^With 1 % of the labels, 20 % of them turned round, task 'click' has \d+ labels in one "
        rf"of the draws and no {side} one among them\. Leave this share out \(`shares`\), or hide"
    )
    with pytest.raises(ConfigurationError, match=said):
        check(data, store)


def test_a_task_without_a_label_is_told_before_training(data: Data) -> None:
    none = np.zeros(data.train.num_rows, dtype=np.bool_)
    store = data.train.relabelled(observed={"rating": none})
    with pytest.raises(ConfigurationError, match=r"'rating' has no observed label.*Leave this"):
        check(data, store)


def test_other_rows_are_not_touched(made: Made, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in made.store.folder.iterdir()}
    fewer_labels(made.store, (CLICK, BUY), share=0.1, flip=0.2, seed=0)
    assert {path.name: path.read_bytes() for path in made.store.folder.iterdir()} == before
