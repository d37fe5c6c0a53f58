"""The supervised loss against hand arithmetic: masks, weights, normalisers, the penalty."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from tests.unit.makers import (
    BINARY_TASKS,
    TASKS,
    Data,
    gradients,
    make_data,
    make_log,
    make_model,
    same_bits,
    whole,
)
from torch import Tensor
from torch.nn import functional
from torch.testing import assert_close

from plait.balancing import Equal, Fixed
from plait.data.batch import Batch
from plait.data.schema import Numeric, Schema
from plait.models import MultiTaskModel
from plait.tasks import Binary, Ranking, Regression, Task, WatchTime
from plait.training import Expected, Supervised
from plait.training.setup import expected_shares


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return make_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def binary(tmp_path_factory: pytest.TempPathFactory) -> Data:
    tasks = [replace(task, normaliser="observed") for task in BINARY_TASKS]
    return make_data(tmp_path_factory.mktemp("binary"), tasks)


def ones(model: MultiTaskModel) -> dict[str, Expected]:
    return dict.fromkeys(model.tasks, Expected(1.0))


def losses(model: MultiTaskModel, batch: Batch, *, key_l2: float = 0.0) -> dict[str, Tensor]:
    return Supervised(ones(model), key_l2=key_l2).losses(model.train(), batch, 0).tasks


def gradient_of(model: MultiTaskModel, batch: Batch) -> dict[str, Tensor]:
    model.zero_grad()
    Equal().backward(losses(model, batch), None)
    return gradients(model)


def with_labels(batch: Batch, task: str, **columns: Tensor) -> Batch:
    """The batch with other labels, masks or weights of one task."""
    return replace(
        batch, **{part: {**getattr(batch, part), task: found} for part, found in columns.items()}
    )


def prepared(folder: Path, frame: pl.DataFrame, task: Task) -> tuple[MultiTaskModel, Batch]:
    """A model of one task and all rows of a frame."""
    found = make_data(folder, [task], frame=frame, valid_frame=frame)
    return make_model(found), whole(found.train)


def test_every_kind_of_task_has_a_finite_loss(data: Data) -> None:
    model = make_model(data)
    found = losses(model, whole(data.train))
    assert list(found) == [task.name for task in TASKS]
    assert all(loss.isfinite() and loss.ndim == 0 for loss in found.values())


def test_the_loss_of_a_task_is_the_weighted_mean_over_its_observed_rows(binary: Data) -> None:
    model, batch = make_model(binary), whole(binary.train)
    observed, target = batch.observed["like"], batch.labels["like"]
    weight = torch.rand(len(batch)) + 0.5
    with torch.no_grad():
        logit = model(batch)["like"].squeeze(1)
    rows = functional.binary_cross_entropy_with_logits(logit, target, reduction="none")
    expected = sum(
        float(weight[i] * rows[i]) for i in range(len(batch)) if bool(observed[i])
    ) / float(weight[observed].sum())
    weighted = with_labels(batch, "like", weights=weight)
    assert_close(losses(model, weighted)["like"].item(), expected, rtol=1e-5, atol=0)


def test_case_81_with_most_labels_missing_the_gradient_is_that_of_the_masked_loss(
    binary: Data,
) -> None:
    model, batch = make_model(binary), whole(binary.train)
    kept = torch.rand(len(batch), generator=torch.Generator().manual_seed(0)) > 0.7
    sparse = with_labels(
        batch, "click", observed=kept, labels=torch.where(kept, batch.labels["click"], 0.0)
    )
    found = gradient_of(model, sparse)
    model.zero_grad()
    logit = model(batch)
    by_hand = functional.binary_cross_entropy_with_logits(
        logit["click"][kept, 0], batch.labels["click"][kept]
    )
    like = batch.observed["like"]
    by_hand = by_hand + functional.binary_cross_entropy_with_logits(
        logit["like"][like, 0], batch.labels["like"][like]
    )
    by_hand.backward()
    expected = gradients(model)
    assert set(found) == set(expected)
    for name, gradient in found.items():
        assert_close(gradient, expected[name], msg=name)
        cosine = functional.cosine_similarity(gradient.flatten(), expected[name].flatten(), dim=0)
        assert cosine > 0.99999 or not gradient.any(), name


def test_case_82_nan_null_and_a_sentinel_are_missing_alike(tmp_path: Path) -> None:
    frame = make_log(80)
    label = frame["click"].cast(pl.Float64)
    gone = pl.Series(np.arange(80) % 3 != 0)
    forms = {
        "null": (label.set(gone, None), None),
        "nan": (label.set(gone, float("nan")), None),
        "sentinel": (label.set(gone, -1.0), "y != -1"),
    }
    found = []
    for form, (column, observed) in forms.items():
        task = Binary("y", observed=observed, normaliser="observed")
        model, batch = prepared(tmp_path / form, frame.with_columns(y=column), task)
        found.append((losses(model, batch)["y"], gradient_of(model, batch)))
    for loss, gradient in found[1:]:
        assert torch.equal(loss, found[0][0])
        assert same_bits(gradient, found[0][1])


@pytest.mark.parametrize(
    "task",
    [
        Binary("click"),
        Regression("rating"),
        Ranking("place", label="rank_label"),
        Ranking("place", label="rank_label", form="bpr"),
    ],
    ids=lambda task: f"{task.kind} {getattr(task, 'form', '')}",
)
def test_case_83_rows_of_weight_zero_leave_the_bits_of_absent_rows(
    tmp_path: Path, task: Task
) -> None:
    model, batch = prepared(tmp_path, make_log(80), task)
    out = torch.arange(len(batch)) % 4 == 1
    silent = with_labels(batch, task.name, weights=torch.where(out, 0.0, 1.0))
    absent = with_labels(
        batch,
        task.name,
        observed=batch.observed[task.name] & ~out,
        labels=torch.where(out, 0.0, batch.labels[task.name]),
        weights=torch.where(out, 0.0, 1.0),
    )
    assert same_bits(gradient_of(model, silent), gradient_of(model, absent))


def test_case_83_rows_of_weight_zero_may_as_well_be_left_out_of_the_batch(binary: Data) -> None:
    model = make_model(binary)
    batch = whole(binary.train)
    for name in model.tasks:
        weight = torch.where(torch.arange(len(batch)) < 100, 1.0, 0.0)
        batch = with_labels(batch, name, weights=weight)
    fewer = gradient_of(model, binary.train.batch(slice(0, 100)))
    for name, gradient in gradient_of(model, batch).items():
        assert_close(gradient, fewer[name], rtol=1e-5, atol=1e-7, msg=name)


def test_case_86_a_weight_of_two_is_the_row_twice(binary: Data) -> None:
    model = make_model(binary)
    rows = np.arange(60)
    batch = binary.train.batch(rows)
    for name in model.tasks:
        batch = with_labels(batch, name, weights=1.0 + (torch.arange(60) < 20).float())
    doubled = binary.train.batch(np.concatenate([rows, rows[:20]]))
    twice = gradient_of(model, doubled)
    for name, gradient in gradient_of(model, batch).items():
        assert_close(gradient, twice[name], rtol=1e-5, atol=1e-7, msg=name)


def test_case_90_each_task_has_its_own_weight_column(tmp_path: Path) -> None:
    frame = make_log(40).with_columns(w=pl.Series(np.arange(40) % 5 + 1.0))
    tasks = [
        Binary("click", weight="w", normaliser="observed"),
        Binary("again", label="click", normaliser="observed"),
    ]
    found = make_data(tmp_path, tasks, frame=frame, valid_frame=frame)
    model, batch = make_model(found), whole(found.train)
    weight = torch.tensor(frame["w"].to_list())
    with torch.no_grad():
        logits = {name: values.squeeze(1) for name, values in model(batch).items()}
    target = batch.labels["click"]
    rows = functional.binary_cross_entropy_with_logits(logits["click"], target, reduction="none")
    computed = losses(model, batch)
    assert_close(computed["click"], (rows * weight).sum() / weight.sum())
    assert_close(
        computed["again"], functional.binary_cross_entropy_with_logits(logits["again"], target)
    )


def test_case_75_the_loss_stays_inside_the_space(tmp_path: Path) -> None:
    task = Binary("buy", space="click == 1", normaliser="observed")
    frame = make_log(80)
    model, batch = prepared(tmp_path, frame, task)
    clicked = torch.tensor(frame["click"].to_list()) == 1
    assert torch.equal(batch.observed["buy"], clicked)
    with torch.no_grad():
        logit = model(batch)["buy"].squeeze(1)
    expected = functional.binary_cross_entropy_with_logits(
        logit[clicked], torch.tensor(frame["buy"].to_list(), dtype=torch.float32)[clicked]
    )
    assert_close(losses(model, batch)["buy"], expected)


@pytest.mark.parametrize(
    ("normaliser", "expected_share", "relative", "divisor"),
    [
        ("observed", 0.25, 0.5, 30.0),  # 20 observed rows of weight 1.5
        ("expected", 0.25, 0.5, 10.0),  # a quarter of 40 rows
        ("batch", 0.25, 0.5, 40.0),
        ("auto", 0.25, 1.0, 10.0),  # 10 rows to be expected: fewer than 32
        ("auto", 0.8, 1.0, 30.0),  # 32 rows to be expected
        ("auto", 0.25, 0.5, 20.0),  # another task has twice as many
        ("auto", 0.8, 0.1, 300.0),
    ],
)
def test_what_the_sum_of_row_losses_is_divided_by(
    binary: Data, normaliser: str, expected_share: float, relative: float, divisor: float
) -> None:
    task = replace(BINARY_TASKS[0], normaliser=normaliser)
    model = make_model(binary, tasks=[task])
    batch = with_labels(
        binary.train.batch(slice(0, 40)),
        "click",
        observed=torch.arange(40) < 20,
        weights=torch.full((40,), 1.5),
    )
    with torch.no_grad():
        logit = model(batch)["click"].squeeze(1)
    rows = functional.binary_cross_entropy_with_logits(
        logit[:20], batch.labels["click"][:20], reduction="none"
    )
    found = (
        Supervised({"click": Expected(expected_share, relative)})
        .losses(model, batch, 0)
        .tasks["click"]
    )
    assert_close(found, (1.5 * rows).sum() / divisor)


def test_the_expected_share_is_the_weight_that_a_row_brings(tmp_path: Path) -> None:
    found = make_data(tmp_path, [Binary("click", space="click == 1 or like == 1", weight="3")])
    model = make_model(found)
    share = float(found.train.observed("click").mean())
    assert share < 1
    # The only task: rows without its label are no rows of an epoch.
    assert_close(expected_shares(model, found.train)["click"].weight, 3.0)


def test_a_row_counts_alike_in_every_task(tmp_path: Path) -> None:
    """A task of a quarter of the rows weighs a quarter; row weights do not change that."""
    rare = "user_id % 4 == 0"
    tasks = [Binary("click"), Binary("answer", label="like", observed=rare, weight="8")]
    found = make_data(tmp_path, tasks, frame=make_log(400))
    model, batch = make_model(found), whole(found.train)
    observed = batch.observed["answer"]
    expected = expected_shares(model, found.train)
    assert expected["click"].relative == 1
    assert expected["answer"].relative == int(observed.sum()) / len(observed) < 0.5
    found_losses = Supervised(expected).losses(model, batch, 0).tasks
    with torch.no_grad():
        logits = {name: values.squeeze(1) for name, values in model(batch).items()}
    for name in ("click", "answer"):
        rows = functional.binary_cross_entropy_with_logits(
            logits[name], batch.labels[name].nan_to_num(), reduction="none"
        )
        assert_close(found_losses[name], (rows * batch.observed[name]).sum() / len(observed))


def test_a_task_without_a_row_in_the_batch_is_left_out_and_its_tower_stays(binary: Data) -> None:
    model = make_model(binary)
    batch = with_labels(
        whole(binary.train), "like", observed=torch.zeros(binary.train.num_rows, dtype=torch.bool)
    )
    assert list(losses(model, batch)) == ["click"]
    found = gradient_of(model, batch)
    assert not any("of_like" in name for name in found)
    assert all(gradient.isfinite().all() for gradient in found.values())


def test_columns_of_unobserved_rows_may_hold_anything(tmp_path: Path) -> None:
    frame = make_log(60)
    gone = pl.Series(np.arange(60) % 2 == 0)
    frame = frame.with_columns(
        seconds=frame["seconds"].set(gone, None), length=frame["length"].set(gone, None)
    )
    for form in ("cread", "d2q", "wlr"):
        task = WatchTime("seconds", duration="length", form=form, num_bins=3)
        model, batch = prepared(tmp_path / form, frame, task)
        assert all(g.isfinite().all() for g in gradient_of(model, batch).values())


def test_case_49_weights_one_and_zero_give_the_gradients_of_the_first_task_alone(
    binary: Data,
) -> None:
    both, batch = make_model(binary), whole(binary.train)
    alone = make_model(binary, tasks=binary.tasks[:1])
    alone.load_state_dict(both.state_dict(), strict=False)
    Fixed(weights={"click": 1.0, "like": 0.0}).backward(losses(both, batch), None)
    Equal().backward(losses(alone, batch), None)
    assert same_bits(gradients(both), gradients(alone))


def test_case_51_doubling_a_weight_doubles_that_tasks_gradient_exactly(binary: Data) -> None:
    model, batch = make_model(binary), whole(binary.train)
    found = {}
    for weight in (1.0, 2.0):
        model.zero_grad()
        Fixed(weights={"click": weight, "like": 0.0}).backward(losses(model, batch), None)
        found[weight] = gradients(model)
    assert same_bits(found[2.0], {name: 2 * g for name, g in found[1.0].items()})
    model.zero_grad()
    Fixed(weights={"click": 2.0, "like": 1.0}).backward(losses(model, batch), None)
    tower = {name: g for name, g in gradients(model).items() if "of_click" in name}
    assert tower
    assert same_bits(tower, {name: found[2.0][name] for name in tower})


def test_the_penalty_is_half_the_squared_norm_of_looked_up_keys(binary: Data) -> None:
    model, batch = make_model(binary), whole(binary.train)
    objective = Supervised(ones(model), key_l2=0.4)
    found = objective.losses(model, batch, 0)
    fields = model.lookup(batch)
    by_hand = sum(
        float(fields.vectors[name].detach().square().sum()) / len(batch)
        for key in ("user_id", "item_id")
        for name in (key, f"{key}.factors", *(f"{key}.bias.{task}" for task in model.tasks))
    )
    assert found.penalty is not None
    assert_close(found.penalty.item(), 0.2 * by_hand, rtol=1e-5, atol=0)
    assert Supervised(ones(model)).losses(model, batch, 0).penalty is None


def test_the_penalty_moves_only_looked_up_rows_of_keys(binary: Data) -> None:
    model = make_model(binary)
    batch = binary.train.batch(slice(0, 3))
    penalty = Supervised(ones(model), key_l2=1.0).losses(model, batch, 0).penalty
    Equal().backward({}, penalty)
    moved = gradients(model)
    (name,) = (name for name in moved if name.startswith("tables."))
    found = moved.pop(name)
    assert all("factor" in name for name in moved)  # the same rows of the tables of the product
    touched = set(found.abs().sum(dim=1).nonzero().flatten().tolist())
    columns = {column.name: place for place, column in enumerate(model.layout.ids)}
    expected = set()
    for name in ("user_id", "item_id"):
        _, rows = model.tables.rows_of(name)
        expected |= {rows.start + int(i) for i in batch.ids[:, columns[name]]}
    assert touched == expected


def test_a_model_without_keys_has_no_penalty(tmp_path: Path) -> None:
    found = make_data(tmp_path, [Binary("click")], schema=Schema((Numeric("age", num_bins=0),)))
    model = make_model(found)
    assert Supervised(ones(model), key_l2=1.0).losses(model, whole(found.train), 0).penalty is None
