"""The five stages: how they compose, where they can be cut, and what each task may see."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from tests.unit.makers import (
    BINARY_TASKS,
    PLENTY,
    SCENIC,
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
from torch.testing import assert_close

from plait.architectures import ARCHITECTURES, CGC, PLE, Chain, MMoE, SharedBottom, SingleTask
from plait.balancing import Equal
from plait.data.batch import UNKNOWN, Batch, Lists
from plait.data.schema import Numeric, Schema
from plait.errors import TaskError, UnknownNameError
from plait.models import ArchitectureFactory, MultiTaskModel, Precision, cuttable
from plait.modules import Dropout, compiled_blocks
from plait.modules import whole as in_one
from plait.tasks import Binary, Regression
from plait.training import Expected, Supervised, Trainer, Training

FIVE = tuple(
    Binary(name, label="click", min_positives=0) for name in ("apply", "type", "a", "b", "c")
)
"""Two of the names are also names of torch's modules."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return make_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def five(tmp_path_factory: pytest.TempPathFactory) -> Data:
    folder = tmp_path_factory.mktemp("five")
    return make_data(folder, FIVE, schema=SCENIC, rows=80, valid_rows=40)


@pytest.fixture(scope="module")
def scenic(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return make_data(tmp_path_factory.mktemp("scenic"), schema=SCENIC)


@pytest.fixture(scope="module")
def funnel(tmp_path_factory: pytest.TempPathFactory) -> Data:
    tasks = [Binary("click"), Binary("buy", label="click == 1 and buy == 1", parents=("click",))]
    return make_data(tmp_path_factory.mktemp("funnel"), tasks)


def narrow(kind: type) -> ArchitectureFactory:
    """The architecture without dropout, and with one small layer where it has one kind of them."""
    if kind is PLE:
        return partial(PLE, dropout=0.0)
    factory: ArchitectureFactory = partial(kind, layers=(6,), dropout=0.0)
    return factory


def total(model: MultiTaskModel, parameters: dict[str, Tensor], batch: Batch) -> Tensor:
    """A scalar that reads every output of every task, another one for each."""
    terms = [(n + 1) * found.square().mean() for n, found in enumerate(parameters.values())]
    return torch.stack(terms).sum()


def test_the_stages_compose_to_the_forward_pass(data: Data) -> None:
    model, batch = make_model(data).eval(), whole(data.valid)
    by_hand = model.decode(model.split(model.share(model.encode(model.lookup(batch)))))
    assert same_bits(model(batch), by_hand)
    assert same_bits(model.decode(model.trace(batch).representations), by_hand)
    assert list(by_hand) == list(model.outputs)


def cut_at_fields(model: MultiTaskModel, batch: Batch) -> tuple[list[Tensor], list[Tensor], Tensor]:
    fields = model.lookup(batch)
    runs = {n: v.detach().requires_grad_() for n, v in fields.runs.items()}
    lists = {
        n: found._replace(values=found.values.detach().requires_grad_())
        for n, found in fields.lists.items()
    }
    above = [*fields.runs.values(), *(found.values for found in fields.lists.values())]
    below = [*runs.values(), *(found.values for found in lists.values())]
    encoded = model.encode(fields._replace(runs=runs, lists=lists))
    return above, below, total(model, model.decode(model.split(model.share(encoded))), batch)


def cut_at_encoded(
    model: MultiTaskModel, batch: Batch
) -> tuple[list[Tensor], list[Tensor], Tensor]:
    encoded = model.encode(model.lookup(batch))
    main = in_one(encoded.main).detach().requires_grad_()
    own = {n: v.detach().requires_grad_() for n, v in encoded.per_task.items()}
    cut = encoded._replace(main=main, per_task=own)
    above, below = [in_one(encoded.main), *encoded.per_task.values()], [main, *own.values()]
    if encoded.context is not None:
        cut = cut._replace(context=encoded.context.detach().requires_grad_())
        above, below = [*above, encoded.context], [*below, cut.context]
    shared = model.share(cut)
    return above, below, total(model, model.decode(model.split(shared)), batch)


def cut_at_shared(model: MultiTaskModel, batch: Batch) -> tuple[list[Tensor], list[Tensor], Tensor]:
    shared = model.share(model.encode(model.lookup(batch)))
    experts = tuple(v.detach().requires_grad_() for v in shared.experts)
    gate_inputs = tuple(v.detach().requires_grad_() for v in shared.gate_inputs)
    own = {n: v.detach().requires_grad_() for n, v in shared.per_task.items()}
    above = [*shared.experts, *shared.gate_inputs, *shared.per_task.values()]
    below = [*experts, *gate_inputs, *own.values()]
    parameters = model.decode(
        model.split(shared._replace(experts=experts, gate_inputs=gate_inputs, per_task=own))
    )
    return above, below, total(model, parameters, batch)


@pytest.mark.parametrize("kind", ARCHITECTURES, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("cut", [cut_at_fields, cut_at_encoded, cut_at_shared])
def test_cut_and_rejoined_is_the_plain_gradient(kind: type, cut: object, scenic: Data) -> None:
    tasks = [replace(scenic.tasks[0], hide=("age", "history")), *scenic.tasks[1:4]]
    model, batch = make_model(scenic, tasks=tasks, architecture=narrow(kind)), whole(scenic.valid)
    total(model, model(batch), batch).backward()
    plain = gradients(model)
    model.zero_grad()
    above, below, loss = cut(model, batch)  # type: ignore[operator]
    loss.backward()
    pairs = [
        (surface, leaf.grad)
        for surface, leaf in zip(above, below, strict=True)
        if surface.requires_grad and leaf.grad is not None
    ]
    torch.autograd.backward([s for s, _ in pairs], [g for _, g in pairs])
    rejoined = gradients(model)
    assert set(rejoined) == set(plain)
    for name, gradient in rejoined.items():
        assert_close(gradient, plain[name], msg=name)


@pytest.mark.parametrize("kind", ARCHITECTURES, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("count", [1, 2, 5])
def test_every_feature_works_in_every_architecture_with_any_number_of_tasks(
    kind: type, count: int, five: Data
) -> None:
    model = make_model(five, tasks=FIVE[:count], architecture=narrow(kind)).train()
    batch = whole(five.train)
    found = Supervised(dict.fromkeys(model.tasks, Expected(1.0))).losses(model, batch, 0)
    assert tuple(found.tasks) == tuple(task.name for task in FIVE[:count])
    Equal().backward(found.tasks, None)
    reached = gradients(model)
    assert {name for name, _ in model.named_parameters()} == set(reached)
    assert all(gradient.isfinite().all() for gradient in reached.values())
    predictions = model.eval().predict(batch)
    assert all(p.shape == (len(batch),) and p.isfinite().all() for p in predictions.values())


def test_every_kind_of_task_predicts_in_its_own_shape(data: Data) -> None:
    model = make_model(data).eval()
    predictions = model.predict(whole(data.valid))
    shapes = {name: tuple(found.shape) for name, found in predictions.items()}
    rows = data.valid.num_rows
    assert shapes == {**dict.fromkeys(model.tasks, (rows,)), "answer": (rows, 3)}


def shuffled(batch: Batch, model: MultiTaskModel, feature: str) -> Batch:
    """The batch with the rows of one feature in another order."""
    order = torch.arange(len(batch)).roll(1)
    ids, numbers, lists = batch.ids.clone(), batch.numbers.clone(), dict(batch.lists)
    vectors = dict(batch.vectors)
    for place, column in enumerate(model.layout.ids):
        if column.feature == feature:
            ids[:, place] = ids[order, place]
    for place, number in enumerate(model.layout.numbers):
        if number.name == feature:
            columns = slice(3 * place, 3 * place + 3)
            numbers[:, columns] = numbers[order][:, columns]
    if feature in lists:
        given = lists[feature]
        lists[feature] = Lists(given.values.flip(0), given.offsets, given.weights)
    if feature in vectors:
        vectors[feature] = vectors[feature][order]
    return replace(batch, ids=ids, numbers=numbers, lists=lists, vectors=vectors)


@pytest.mark.parametrize("feature", ["user_id", "age", "history", "genres", "text"])
def test_a_task_does_not_see_what_is_hidden_from_it(feature: str, data: Data) -> None:
    tasks = [replace(data.tasks[0], hide=(feature,)), data.tasks[1]]
    model, batch = make_model(data, tasks=tasks), whole(data.valid)
    for storage in model.tables.parameters():
        torch.nn.init.normal_(storage)
    other = shuffled(batch, model, feature)
    assert same_bits({"click": model(batch)["click"]}, {"click": model(other)["click"]})
    assert not torch.equal(model(batch)["like"], model(other)["like"])


def test_a_hidden_table_gets_no_gradient_from_the_task(data: Data) -> None:
    tasks = [replace(data.tasks[0], hide=("city",)), data.tasks[1]]
    model, batch = make_model(data, tasks=tasks).train(), whole(data.valid)
    width, rows = model.tables.rows_of("city")
    model(batch)["click"].sum().backward()
    assert not gradients(model)[f"tables.storages.{width}"][rows].any()
    model(batch)["like"].sum().backward()
    assert gradients(model)[f"tables.storages.{width}"][rows].any()


def test_a_task_reads_only_what_it_includes(data: Data) -> None:
    tasks = [replace(data.tasks[0], include=("age", "city")), data.tasks[1]]
    model, batch = make_model(data, tasks=tasks), whole(data.valid)
    for feature, is_read in (("age", True), ("city", True), ("user_id", False), ("text", False)):
        for storage in model.tables.parameters():
            torch.nn.init.normal_(storage)
        same = torch.equal(model(batch)["click"], model(shuffled(batch, model, feature))["click"])
        assert same is not is_read, feature


def test_unknown_features_and_tasks_are_refused(data: Data) -> None:
    with pytest.raises(UnknownNameError, match=r"no feature 'agee' in task 'click'\. Did you"):
        make_model(data, tasks=[replace(data.tasks[0], hide=("agee",))])
    with pytest.raises(UnknownNameError, match="There is no task 'buy' in Chain"):
        make_model(data, links=[Chain(parent="click", child="buy")])
    with pytest.raises(TaskError, match="There is no task"):
        MultiTaskModel(data.train.layout, [])


def test_a_task_may_have_a_tower_of_its_own(data: Data) -> None:
    tasks = [replace(data.tasks[0], tower=(5, 4)), replace(data.tasks[1], tower=()), data.tasks[2]]
    model = make_model(data, tasks=tasks, tower=(7,))
    widths = {name: model.tower_of(name).last.in_features for name in model.tasks}
    assert widths == {"click": 4, "like": 8, "answer": 7}


def test_case_21_the_unknown_vector_is_trained(data: Data) -> None:
    model = make_model(data, unknown_rate=0.2).train()
    batch = whole(data.train)
    columns = {column.name: place for place, column in enumerate(model.layout.ids)}
    assert not (batch.ids[:, columns["user_id"]] == UNKNOWN).any()
    model(batch)["click"].sum().backward()
    found = gradients(model)
    for table, is_trained in (("user_id", True), ("city", True), ("age.bin", False)):
        width, rows = model.tables.rows_of(table)
        trained = bool(found[f"tables.storages.{width}"][rows.start + UNKNOWN].any())
        assert trained is is_trained, table


def test_ids_are_dropped_to_unknown_at_the_given_rate_and_only_in_training(data: Data) -> None:
    model, batch = make_model(data, unknown_rate=0.3), whole(data.train)
    width, rows = model.tables.rows_of("user_id")
    with torch.no_grad():
        model.tables.storages[width][rows.start + UNKNOWN] = 7.0
    seen = [model.train().lookup(batch).vectors["user_id"][:, 0] == 7.0 for _ in range(20)]
    assert 0.25 < float(torch.stack(seen).float().mean()) < 0.35
    assert not (model.eval().lookup(batch).vectors["user_id"] == 7.0).any()


def test_id_dropout_leaves_out_the_vectors_of_users_and_items(data: Data) -> None:
    model, batch = make_model(data, id_dropout=0.5), whole(data.train)
    widths = {"user_id": slice(0, 4), "item_id": slice(4, 8), "city": slice(8, 11)}
    assert model.shared_entries[:3] == tuple(widths)
    gone = {
        name: ~in_one(model.train().encode(model.lookup(batch)).main)[:, columns].any(dim=1)
        for name, columns in widths.items()
    }
    assert 0.35 < float(gone["user_id"].float().mean()) < 0.65
    assert 0.35 < float(gone["item_id"].float().mean()) < 0.65
    assert not gone["city"].any()
    assert in_one(model.eval().encode(model.lookup(batch)).main)[:, :8].any(dim=1).all()


def untouched(model: MultiTaskModel) -> MultiTaskModel:
    """The model with the last weights of its towers at zero: only the biases speak."""
    for name in model.tasks:
        torch.nn.init.zeros_(model.tower_of(name).last.weight)
    for term in model.factor_terms.values():
        torch.nn.init.zeros_(term.weight)
    return model.eval().requires_grad_(requires_grad=False)


def test_an_untrained_model_predicts_the_base_rates(data: Data) -> None:
    model = untouched(make_model(data))
    predictions = model.predict(whole(data.train))
    for name in ("click", "like", "rating"):
        labels = data.train.labels(name)[data.train.observed(name)]
        assert_close(float(predictions[name].mean()), float(labels.mean()), rtol=1e-4, atol=0)
    counts = np.bincount(data.train.labels("answer")[data.train.observed("answer")].astype(int))
    shares = torch.tensor(counts / counts.sum(), dtype=torch.float32)
    assert_close(predictions["answer"].mean(dim=0), shares, rtol=1e-3, atol=0)


def test_an_untrained_chain_predicts_the_base_rates_too(funnel: Data) -> None:
    model = untouched(make_model(funnel, links=[Chain(parent="click", child="buy")]))
    predictions = model.predict(whole(funnel.train))
    rates = {name: float(funnel.train.labels(name).mean()) for name in ("click", "buy")}
    for name, rate in {**rates, "buy_given_click": rates["buy"] / rates["click"]}.items():
        assert_close(float(predictions[name].mean()), rate, rtol=1e-4, atol=0)


def test_a_longer_chain_predicts_the_base_rates_too(tmp_path: Path) -> None:
    tasks = [
        Binary("click"),
        Binary("like", label="click == 1 and price > 2"),
        Binary("buy", label="click == 1 and price > 2 and age > 35"),
    ]
    found = make_data(tmp_path, tasks)
    links = [Chain(parent="click", child="like"), Chain(parent="like", child="buy")]
    model = untouched(make_model(found, links=links))
    predictions = model.predict(whole(found.train))
    for name in model.tasks:
        rate = float(found.train.labels(name)[found.train.observed(name)].mean())
        assert_close(float(predictions[name].mean()), rate, rtol=1e-4, atol=0)


def test_case_74_a_chain_over_numbers_and_categories_multiplies_probabilities(
    funnel: Data,
) -> None:
    model = make_model(funnel, links=[Chain(parent="click", child="buy")])
    assert model.outputs == ("click", "buy", "buy_given_click")
    assert model.head("buy_given_click") is model.head("buy")
    Trainer(model, Training(epochs=2, batch_size=64)).fit(funnel.train)
    predictions = model.predict(whole(funnel.valid))
    product = predictions["click"].double() * predictions["buy_given_click"].double()
    assert_close(predictions["buy"].double(), product, rtol=0, atol=1e-7)
    assert (predictions["buy"] <= predictions["click"]).all()


def test_case_45_the_order_of_tasks_does_not_change_values_by_name(data: Data) -> None:
    batch = whole(data.valid)
    model = make_model(data).eval()
    turned = make_model(data, tasks=data.tasks[::-1], seed=1).eval()
    turned.load_state_dict(model.state_dict())
    found, expected = turned.predict(batch), model.predict(batch)
    assert list(found) == list(expected)[::-1]
    assert same_bits(found, expected)


def test_case_31_a_sequence_of_unknown_ids_works(data: Data) -> None:
    frame = make_log(8).with_columns(history=pl.Series([[998, 999]] * 8))
    prepared = data.preprocessor.transform(frame)
    assert (prepared.lists["history"].values == UNKNOWN).all()
    batch = whole(data.valid)
    given = batch.lists["history"]
    unknown = Lists(torch.full_like(given.values, UNKNOWN), given.offsets, None)
    model = make_model(data)
    predictions = model.predict(replace(batch, lists={**batch.lists, "history": unknown}))
    assert all(found.isfinite().all() for found in predictions.values())


def test_rows_without_values_in_any_list_work(data: Data) -> None:
    batch = whole(data.valid)
    empty = {
        name: Lists(
            given.values[:0],
            torch.zeros_like(given.offsets),
            None if given.weights is None else given.weights[:0],
        )
        for name, given in batch.lists.items()
    }
    predictions = make_model(data).eval().predict(replace(batch, lists=empty))
    assert all(found.isfinite().all() for found in predictions.values())


def test_a_batch_without_rows_gives_predictions_without_rows(data: Data) -> None:
    predictions = make_model(data).eval().predict(data.valid.batch(slice(0, 0)))
    assert {name: len(found) for name, found in predictions.items()} == dict.fromkeys(
        (task.name for task in TASKS), 0
    )


@pytest.mark.parametrize("kind", ARCHITECTURES, ids=lambda kind: kind.__name__)
def test_the_state_makes_the_same_model_again(kind: type, scenic: Data) -> None:
    batch = whole(scenic.valid)
    model = make_model(scenic, architecture=narrow(kind)).eval()
    again = MultiTaskModel(
        scenic.train.layout, scenic.tasks, architecture=narrow(kind), tower=(6,), dropout=0.0
    ).eval()
    again.load_state_dict(model.state_dict())
    assert same_bits(again.predict(batch), model.predict(batch))


def test_a_row_does_not_see_the_others_when_it_is_predicted(data: Data) -> None:
    model = make_model(data).eval()
    all_rows = model.predict(whole(data.valid))
    few = model.predict(data.valid.batch(slice(5, 9)))
    for name, found in few.items():
        assert_close(found, all_rows[name][5:9], msg=name)


def test_case_85_bfloat16_stays_finite_for_fifty_steps(data: Data) -> None:
    model = make_model(data, unknown_rate=0.01, dropout=0.1).train()
    objective = Supervised(dict.fromkeys(model.tasks, Expected(1.0)), key_l2=0.1)
    parameters = list(model.parameters())
    batch = whole(data.train)
    for step in range(50):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = objective.losses(model, batch, step)
        model.zero_grad()
        Equal().backward(found.tasks, found.penalty)
        assert all(loss.isfinite() for loss in found.tasks.values())
        with torch.no_grad():
            for parameter in parameters:
                if parameter.grad is not None:
                    parameter.add_(parameter.grad.to_dense(), alpha=-0.01)
    assert all(parameter.isfinite().all() for parameter in parameters)


def test_one_task_of_one_number_is_a_small_model(tmp_path: Path) -> None:
    schema = Schema((Numeric("age", num_bins=0, num_pieces=0),))
    found = make_data(tmp_path, [Regression("price")], schema=schema)
    model = make_model(found, architecture=partial(SharedBottom, layers=(4,)), tower=())
    assert not list(model.tables.parameters())
    assert model.predict(whole(found.valid))["price"].shape == (120,)


class _Dense(torch.nn.Module):
    """The model as a function of tensors, for export."""

    def __init__(self, model: MultiTaskModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, numbers: Tensor, text: Tensor) -> dict[str, Tensor]:
        rows = torch.zeros_like(ids[:, 0])
        batch = Batch(ids, numbers, {}, {"text": text}, {}, {}, {}, {}, {}, rows)
        return self.model.predict(batch)


@pytest.mark.parametrize("kind", ARCHITECTURES, ids=lambda kind: kind.__name__)
def test_predictions_export_with_a_dynamic_batch(kind: type, tmp_path: Path) -> None:
    features = tuple(f for f in SCENIC.features if f.name not in ("history", "genres"))
    schema = Schema(features, user="user_id", item="item_id", scenario="tab")
    found = make_data(tmp_path, BINARY_TASKS, schema=schema, rows=40, valid_rows=40)
    model = make_model(found, architecture=narrow(kind)).eval()
    batch = whole(found.valid)

    def inputs(rows: int) -> tuple[Tensor, ...]:
        return batch.ids[:rows], batch.numbers[:rows], batch.vectors["text"][:rows]

    rows = torch.export.Dim("rows")
    program = torch.export.export(
        _Dense(model), inputs(8), dynamic_shapes=({0: rows}, {0: rows}, {0: rows})
    )
    for count in (1, 7, 40):
        exported = program.module()(*inputs(count))
        expected = model.predict(found.valid.batch(slice(0, count)))
        for name, values in expected.items():
            assert_close(exported[name], values, rtol=1e-5, atol=1e-5)


@pytest.fixture
def plenty(tmp_path: Path) -> Data:
    return make_data(tmp_path, BINARY_TASKS, schema=PLENTY)


@pytest.mark.parametrize("architecture", [MMoE, CGC, PLE, SingleTask])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_what_is_not_written_out_changes_no_loss_and_no_gradient(
    plenty: Data, architecture: ArchitectureFactory, precision: Precision
) -> None:
    model = make_model(plenty, architecture=architecture, table_precision=precision).train()
    model.unknown_rate = 0.0
    for module in model.modules():
        if isinstance(module, Dropout):
            module.eval()
    batch = whole(plenty.train)
    found = []
    for compiled in (False, True):
        with compiled_blocks(allowed=compiled):
            fields = model.lookup(batch, for_layers=True)
            assert (fields.pieces is not None) == compiled
            assert (fields.short is not None) == compiled
            assert ("city" in fields.vectors) != compiled
            parameters = model.decode(model.trace(batch).representations)
            loss = torch.stack([p.tanh().sum() for p in parameters.values()]).sum()
        model.zero_grad()
        loss.backward()
        own = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
        touched = {
            f"rows of {name}": torch.tensor(sorted(set(grad.coalesce().indices()[0].tolist())))
            for name, grad in own.items()
            if grad.is_sparse
        }
        assert touched
        found.append(parameters | {n: g.to_dense() for n, g in own.items()} | touched)
    # A gradient of a bfloat16 table is rounded: that of each lookup, or that of a row's sum.
    rounding = 2e-5 if precision == "fp32" else 4e-2
    for name, tensor in found[0].items():
        assert_close(found[1][name], tensor, atol=rounding, rtol=max(1e-3, rounding), msg=name)


def test_who_asks_for_the_vectors_of_each_row_gets_them(plenty: Data) -> None:
    model, batch = make_model(plenty, architecture=MMoE), whole(plenty.train)
    with compiled_blocks(allowed=True):
        assert model.trace(batch).fields.short is not None
        assert model.lookup(batch).short is None
        assert model.lookup(batch).pieces is None
        for surface in ("tables", "encoded", "shared"):
            with cuttable(surface):
                assert model.trace(batch).fields.short is None
        few = plenty.train.batch(slice(0, 8))
        assert model.trace(few).fields.short is None  # as many products as sums
        read = model.encode(model.lookup(batch, for_layers=True)).main
        assert torch.equal(in_one(read), in_one(model.encode(model.lookup(batch)).main))


def test_an_id_beyond_its_short_table_reads_no_other_table(plenty: Data) -> None:
    model, batch = make_model(plenty, architecture=MMoE), whole(plenty.train)
    place = [column.name for column in model.layout.ids].index("city")
    ids = batch.ids.clone()
    ids[7, place] = model.layout.table("city").num_rows
    with compiled_blocks(allowed=True), pytest.raises(IndexError, match="beyond the rows"):
        model.trace(replace(batch, ids=ids))
