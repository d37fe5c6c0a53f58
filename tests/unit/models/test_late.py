"""Interactions in whole models: by hand, at every cut, and in what a task may not see."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from tests.unit.makers import (
    BINARY_TASKS,
    SCHEMA,
    TASKS,
    Data,
    make_data,
    make_model,
    same_bits,
    whole,
)
from tests.unit.models.encoding import (
    INTERACTIONS,
    check_cuts,
    check_gradients,
    reads,
    shaken,
)
from torch import Tensor, nn
from torch.testing import assert_close

from plait.architectures import SharedBottom
from plait.artifact import Artifact, read_artifact, write_artifact
from plait.data.batch import Batch, Lists
from plait.data.schema import Schema
from plait.errors import ArchitectureError, UnknownNameError
from plait.models import MultiTaskModel
from plait.modules.interactions import FM, DeepFM, FinalMLP, WideDeep
from plait.training import Expected, Supervised, grow_from

LINEAR = partial(SharedBottom, layers=())
NAMES = list(INTERACTIONS)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return make_data(tmp_path_factory.mktemp("data"), rows=60, valid_rows=40)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("count", [1, 3])
def test_gradients_reach_everything_and_can_be_cut_anywhere(
    name: str, count: int, data: Data
) -> None:
    tasks = [replace(data.tasks[0], hide=("age", "genres")), *data.tasks[1:count]]
    tasks = tasks if count > 1 else list(data.tasks[:1])
    model = shaken(make_model(data, tasks=tasks, interaction=INTERACTIONS[name]))
    check_gradients(model, whole(data.valid))
    check_cuts(model.double(), as_float64(data.valid.batch(slice(0, 12))))


@pytest.mark.parametrize("name", NAMES)
def test_no_row_one_row_and_many_rows(name: str, data: Data) -> None:
    model = shaken(make_model(data, interaction=INTERACTIONS[name])).eval()
    all_rows = model.predict(whole(data.valid))
    for rows in (0, 1):
        found = model.predict(data.valid.batch(slice(0, rows)))
        for task, values in found.items():
            assert len(values) == rows
            assert_close(values, all_rows[task][:rows])


@pytest.mark.parametrize("name", NAMES)
def test_an_artifact_gives_the_same_bits(name: str, data: Data, tmp_path: Path) -> None:
    model = shaken(make_model(data, interaction=INTERACTIONS[name])).eval()
    artifact = Artifact(model, data.preprocessor, SCHEMA)
    write_artifact(tmp_path / "artifact", artifact, plait_version="0")
    again = read_artifact(tmp_path / "artifact").model
    assert type(again.interaction) is type(model.interaction)
    assert same_bits(again.predict(whole(data.valid)), model.predict(whole(data.valid)))


def test_predictions_export_with_a_dynamic_batch(tmp_path: Path) -> None:
    features = tuple(f for f in SCHEMA.features if f.name not in ("history", "genres"))
    schema = Schema(features, user="user_id", item="item_id")
    found = make_data(tmp_path, BINARY_TASKS, schema=schema, rows=40, valid_rows=40)
    model = shaken(make_model(found, interaction=INTERACTIONS["DeepFM"])).eval()
    batch = whole(found.valid)

    def inputs(rows: int) -> tuple[Tensor, ...]:
        return batch.ids[:rows], batch.numbers[:rows], batch.vectors["text"][:rows]

    rows = torch.export.Dim("rows")
    shapes = ({0: rows}, {0: rows}, {0: rows})
    program = torch.export.export(_Dense(model), inputs(8), dynamic_shapes=shapes)
    for count in (1, 40):
        exported = program.module()(*inputs(count))
        for task, values in model.predict(found.valid.batch(slice(0, count))).items():
            assert_close(exported[task], values, rtol=1e-5, atol=1e-5)


class _Dense(nn.Module):
    """The model as a function of tensors, for export."""

    def __init__(self, model: MultiTaskModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, numbers: Tensor, text: Tensor) -> dict[str, Tensor]:
        rows = torch.zeros_like(ids[:, 0])
        batch = Batch(ids, numbers, {}, {"text": text}, {}, {}, {}, {}, {}, rows)
        return self.model.predict(batch)


def as_float64(batch: Batch) -> Batch:
    lists = {
        name: found._replace(weights=None if found.weights is None else found.weights.double())
        for name, found in batch.lists.items()
    }
    vectors = {name: vector.double() for name, vector in batch.vectors.items()}
    return replace(batch, numbers=batch.numbers.double(), lists=lists, vectors=vectors)


def first_order(model: MultiTaskModel, batch: Batch, task: str) -> Tensor:
    """`sum_i w_i x_i` of each row, from the tables alone, feature by feature."""
    term = model.late_terms[task]
    assert term.wide is not None

    def number(name: str, at: int) -> Tensor:
        assert term.wide is not None
        width, rows = term.wide.tables.rows_of(f"{name}.wide.{task}")
        return term.wide.tables.storages[width][rows][at]

    known = known_numbers(model, batch)
    totals = []
    for row in range(len(batch)):
        total = known[row] @ term.linear
        for place, column in enumerate(model.layout.ids):
            total = total + number(column.name, int(batch.ids[row, place]))
        for column in model.layout.lists:
            given = batch.lists[column.name]
            span = range(int(given.offsets[row]), int(given.offsets[row + 1]))
            weights = [1.0 if given.weights is None else float(given.weights[k]) for k in span]
            for k, weight in zip(span, weights, strict=True):
                total = total + number(column.name, int(given.values[k])) * weight / sum(weights)
        totals.append(total)
    return torch.stack(totals)


def known_numbers(model: MultiTaskModel, batch: Batch) -> Tensor:
    """Numbers and given vectors as the model lays them side by side."""
    vectors = model.lookup(batch).vectors
    known = [number.name for number in model.layout.numbers] + list(model.layout.vectors or {})
    return torch.cat([vectors[name] for name in known], dim=1)


def test_fm_without_a_network_is_the_paper_s_model(data: Data) -> None:
    """`b + sum w_i x_i + sum_{i<j} <v_i, v_j> x_i x_j`, where the tower's weights are ones."""
    model = make_model(
        data,
        tasks=data.tasks[:2],
        architecture=LINEAR,
        interaction=partial(FM, token_width=4),
        tower=(),
        factors=0,
    )
    model = shaken(model).double().eval()
    batch = as_float64(data.valid.batch(slice(0, 6)))
    assert isinstance(model.interaction, FM)
    fields = model.lookup(batch)
    entries = Pooled(model).of(batch)
    for task in model.tasks:
        tower = model.tower_of(task)
        nn.init.ones_(tower.last.weight)
        expected = first_order(model, batch, task) + tower.last.bias
        tokens = [
            into(entries[name])
            for into, name in zip(model.interaction.tokens.maps, model.shared_entries, strict=True)
        ]
        for i in range(len(tokens)):
            for j in range(i + 1, len(tokens)):
                expected = expected + (tokens[i] * tokens[j]).sum(dim=1, keepdim=True)
        assert_close(model(batch)[task], expected, rtol=0, atol=1e-10)
    assert set(fields.lists) >= {"history", "history.wide.click", "genres.wide.like"}


class Pooled:
    """The entries of a batch, each by itself, lists by their weighed mean."""

    def __init__(self, model: MultiTaskModel) -> None:
        self.model = model

    def of(self, batch: Batch) -> dict[str, Tensor]:
        fields = self.model.lookup(batch)
        found = dict(fields.vectors)
        for name, each in fields.lists.items():
            means = []
            for row in range(len(batch)):
                span = slice(int(each.offsets[row]), int(each.offsets[row + 1]))
                values = each.values[span]
                weights = (
                    values.new_ones(len(values)) if each.weights is None else each.weights[span]
                )
                mean = (values * weights.unsqueeze(1)).sum(0) / weights.sum()
                means.append(mean if len(values) else torch.zeros_like(mean))
            found[name] = torch.stack(means)
        return found


@pytest.mark.parametrize("kind", [WideDeep, partial(DeepFM, token_width=4)])
def test_what_is_late_is_added_to_what_the_deep_network_says(
    kind: type[WideDeep], data: Data
) -> None:
    plain = shaken(make_model(data)).double().eval()
    model = make_model(data, interaction=kind).double().eval()
    shaken(model)
    mine = model.state_dict()
    model.load_state_dict({name: plain.state_dict().get(name, mine[name]) for name in mine})
    batch = as_float64(data.valid.batch(slice(0, 6)))
    together, deep = model(batch), plain(batch)
    for task, found in together.items():
        expected = deep[task] + first_order(model, batch, task)
        late = model.interaction
        if isinstance(late, DeepFM):
            entries = Pooled(model).of(batch)
            names = zip(late.tokens.maps, model.shared_entries, strict=True)
            tokens = torch.stack([into(entries[name]) for into, name in names], dim=1)
            products = torch.einsum("bid,bjd->ijbd", tokens, tokens)
            pairs = torch.triu_indices(tokens.shape[1], tokens.shape[1], offset=1)
            expected = (
                expected + products[pairs[0], pairs[1]].sum(0) @ model.late_terms[task].weight
            )
        assert_close(found, expected, rtol=0, atol=1e-10)


def test_late_weights_start_as_the_paper_s_sum_and_a_wide_part_at_nothing(data: Data) -> None:
    plain = make_model(data).eval()
    wide = make_model(data, interaction=WideDeep).eval()
    mine = wide.state_dict()
    wide.load_state_dict({name: plain.state_dict().get(name, mine[name]) for name in mine})
    batch = whole(data.valid)
    for task, found in wide(batch).items():
        assert_close(found, plain(batch)[task], rtol=0, atol=1e-6)
    deep = make_model(data, interaction=partial(DeepFM, token_width=4))
    assert all((term.weight == 1).all() for term in deep.late_terms.values())


@pytest.mark.parametrize("name", ["WideDeep", "FM", "DeepFM"])
@pytest.mark.parametrize("feature", ["city", "age", "genres", "text"])
def test_a_task_does_not_see_what_is_hidden_from_it(name: str, feature: str, data: Data) -> None:
    tasks = [replace(data.tasks[0], hide=(feature,)), data.tasks[1]]
    model = shaken(make_model(data, tasks=tasks, interaction=INTERACTIONS[name])).eval()
    batch = whole(data.valid)

    def changed(batch: Batch) -> Batch:
        ids, numbers = batch.ids.clone(), batch.numbers.clone()
        for place, column in enumerate(model.layout.ids):
            if column.feature == feature:
                ids[:, place] = ids[:, place].roll(1)
        if feature == "age":
            numbers[:, :3] = numbers[:, :3].roll(1, dims=0)
        given = batch.lists["genres"]
        flipped = Lists(given.values.flip(0), given.offsets, given.weights)
        lists = {**batch.lists, "genres": flipped} if feature == "genres" else batch.lists
        text = batch.vectors["text"]
        vectors = {"text": text.roll(1, dims=0) if feature == "text" else text}
        return replace(batch, ids=ids, numbers=numbers, lists=lists, vectors=vectors)

    assert reads(model, batch, changed) == {"like"}


def test_touched_wide_numbers_of_users_and_items_are_held_back(data: Data) -> None:
    model, batch = shaken(make_model(data, interaction=WideDeep)), whole(data.valid)
    plain = make_model(data)
    more = len(model.key_vectors(model.lookup(batch))) - len(plain.key_vectors(plain.lookup(batch)))
    assert more == 2 * len(TASKS)
    found = Supervised(dict.fromkeys(model.tasks, Expected(1.0)), key_l2=0.1).losses(
        model, batch, 0
    )
    assert found.penalty is not None
    found.penalty.backward()
    wide = model.late_terms["click"].wide
    assert wide is not None
    (storage,) = wide.tables.parameters()
    assert storage.grad is not None
    _, rows = wide.tables.rows_of("user_id.wide.click")
    _, cities = wide.tables.rows_of("city.wide.click")
    touched = storage.grad.to_dense()
    assert touched[rows].any()
    assert not touched[cities].any()


def test_tables_of_a_wide_part_have_row_sparse_gradients(data: Data) -> None:
    model = make_model(data, interaction=WideDeep).train()
    tables = {id(table) for table in model.table_parameters()}
    model(whole(data.train))["click"].sum().backward()
    sparse = {n for n, p in model.named_parameters() if p.grad is not None and p.grad.is_sparse}
    assert sparse == {
        n for n, p in model.named_parameters() if id(p) in tables and p.grad is not None
    }
    assert any("late.wide" in name for name in sparse)
    assert not any("of_like.late" in name for name in sparse)


@pytest.mark.parametrize("name", NAMES)
def test_a_model_grown_on_the_same_features_predicts_what_the_older_one_did(
    name: str, data: Data
) -> None:
    older = shaken(make_model(data, interaction=INTERACTIONS[name])).eval()
    model = make_model(data, interaction=INTERACTIONS[name], seed=1).eval()
    grow_from(model, older)
    assert same_bits(model.predict(whole(data.valid)), older.predict(whole(data.valid)))


def test_a_model_with_other_features_cannot_grow_from_pairs_of_features(
    data: Data, tmp_path: Path
) -> None:
    fewer = replace(SCHEMA, features=tuple(f for f in SCHEMA.features if f.name != "city"))
    older = make_model(make_data(tmp_path, schema=fewer), interaction=INTERACTIONS["DCNv2"])
    with pytest.raises(ArchitectureError, match=r"DCNv2 has weights for pairs .*different: city\."):
        grow_from(make_model(data), older)


def test_a_context_that_is_no_entry_is_refused(data: Data) -> None:
    with pytest.raises(UnknownNameError, match=r"no entry 'user' in FinalMLP\. Did you mean 'user"):
        make_model(data, interaction=partial(FinalMLP, first_context=["user"]))


def test_neural_collaborative_filtering_is_the_product_beside_a_network(tmp_path: Path) -> None:
    """He et al. 2017, eq. 12: `h · [p_G * q_G ; MLP([p_M ; q_M])]`; the biases are ours."""
    features = tuple(f for f in SCHEMA.features if f.name in ("user_id", "item_id"))
    schema = Schema(features, user="user_id", item="item_id")
    found = make_data(tmp_path, BINARY_TASKS, schema=schema, rows=40, valid_rows=20)
    bottom = partial(SharedBottom, layers=(6, 5), dropout=0.0)
    model = shaken(make_model(found, architecture=bottom, tower=(), factors=3)).double().eval()
    batch = whole(found.valid)
    fields = model.lookup(batch).vectors
    hidden = torch.cat([fields["user_id"], fields["item_id"]], dim=1)
    network = model.architecture
    assert isinstance(network, SharedBottom)
    for layer in network.bottom.linears:
        assert isinstance(layer, nn.Linear)
        hidden = torch.relu(hidden @ layer.weight.T + layer.bias)
    product = fields["user_id.factors"] * fields["item_id.factors"]
    for task in model.tasks:
        tower, term = model.tower_of(task), model.factor_terms[task]
        h = torch.cat([term.weight, tower.last.weight], dim=1)
        expected = torch.cat([product, hidden], dim=1) @ h.T + tower.last.bias
        biases = fields[f"user_id.bias.{task}"] + fields[f"item_id.bias.{task}"]
        assert_close(model(batch)[task], expected + biases, rtol=0, atol=1e-10)
