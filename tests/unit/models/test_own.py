"""Tables that belong to one task alone: what reads them, what they learn from, what they cost."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch
from tests.unit.makers import BINARY_TASKS, SCHEMA, Data, gradients, make_data, make_model, whole
from tests.unit.models.encoding import check_cuts, check_gradients, shaken
from torch.testing import assert_close

from plait.architectures import STEM
from plait.artifact.content import build_model, model_settings
from plait.data.schema import Numeric, Schema
from plait.errors import ArchitectureError
from plait.models import MultiTaskModel
from plait.modules import whole as in_one
from plait.modules.interactions import DCNMix
from plait.modules.sequences import DIN
from plait.tasks import Binary
from plait.training import Expected, Supervised

SMALL_STEM = partial(STEM, layers=(6,), dropout=0.0)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return make_data(tmp_path_factory.mktemp("own"), BINARY_TASKS, rows=60, valid_rows=20)


def _stem(data: Data, **settings: object) -> MultiTaskModel:
    return make_model(data, architecture=SMALL_STEM, **settings)  # type: ignore[arg-type]


def test_each_task_has_a_copy_of_all_tables_and_the_shared_ones_are_there_too(data: Data) -> None:
    model = _stem(data, factors=0)
    one = {name: table.shape for name, table in model.tables.storages.items()}
    assert list(model.tables_by_task) == ["click", "like"]
    for own in model.tables_by_task.values():
        assert {name: table.shape for name, table in own.tables.storages.items()} == one
    assert len(model.table_parameters()) == 3 * len(one)


def test_a_task_s_loss_moves_its_own_tables_and_the_shared_ones_only(data: Data) -> None:
    model = _stem(data).train()
    losses = Supervised({"click": Expected(1.0), "like": Expected(1.0)}).losses(
        model, whole(data.train), 0
    )
    losses.tasks["like"].backward()
    reached = {name for name, gradient in gradients(model).items() if gradient.abs().sum() > 0}
    assert any(name.startswith("own_tables.of_like.") for name in reached)
    assert any(name.startswith("tables.") for name in reached)
    assert not any(
        name.startswith(("own_tables.of_click.", "towers.of_click.")) for name in reached
    )


def test_a_row_s_own_input_is_the_row_with_own_vectors(data: Data) -> None:
    model = _stem(data, sequence=DIN, interaction=partial(DCNMix, rank=3, num_experts=2)).eval()
    with torch.no_grad():
        for storage, own in model.tables.storages.items():
            like = model.tables_by_task["like"].tables.storages[storage]
            like.copy_(own)
    encoded = model.encode(model.lookup(whole(data.valid)))
    assert_close(encoded.own["like"], in_one(encoded.main))
    assert not torch.allclose(encoded.own["click"], in_one(encoded.main))


def test_left_out_keys_are_left_out_of_every_table(data: Data) -> None:
    model = _stem(data, id_dropout=0.5, factors=0).train()
    with torch.no_grad():
        for storage, own in model.tables.storages.items():
            for task in model.tables_by_task.values():
                task.tables.storages[storage].copy_(own)
    encoded = model.encode(model.lookup(whole(data.train)))
    assert_close(encoded.own["click"], in_one(encoded.main))
    assert_close(encoded.own["like"], in_one(encoded.main))


def test_cuts_gradients_and_reload(data: Data) -> None:
    model = shaken(_stem(data, sequence=partial(DIN, layers=(5,)))).eval()
    check_cuts(model, whole(data.valid))
    check_gradients(model.train(), whole(data.train))
    again = build_model(model_settings(model))(data.train.layout, data.tasks).eval()
    again.load_state_dict(model.state_dict())
    for name, predicted in again.predict(whole(data.valid)).items():
        assert torch.equal(predicted, model.eval().predict(whole(data.valid))[name])


def test_a_feature_that_some_task_may_not_read_has_no_own_vectors(data: Data) -> None:
    tasks = (Binary("click"), Binary("like", hide=("city", "history")))
    model = _stem(data, tasks=tasks)
    own = model.tables_by_task["like"]
    assert {column.name for column in own.tables.columns} == {"user_id", "item_id", "age.bin"}
    assert own.list_names == ("genres",)
    check_gradients(model.train(), whole(data.train))


def test_own_vectors_of_keys_are_held_back_too(data: Data) -> None:
    model = _stem(data, factors=0)
    fields = model.lookup(whole(data.valid))
    assert len(model.key_vectors(fields)) == 3 * 2
    plain = make_model(data, factors=0)
    assert len(plain.key_vectors(plain.lookup(whole(data.valid)))) == 2


def test_numbers_alone_have_no_tables_to_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    schema = Schema((Numeric("age", num_bins=0), Numeric("price", num_bins=0)))
    bare = replace(schema, request=SCHEMA.request)
    numbers = make_data(
        tmp_path_factory.mktemp("numbers"), BINARY_TASKS, schema=bare, rows=60, valid_rows=20
    )
    with pytest.raises(ArchitectureError, match=r"STEM needs tables of vectors for each task"):
        _stem(numbers)
