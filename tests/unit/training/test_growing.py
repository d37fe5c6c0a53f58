"""A grown model first predicts what the older one did."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import polars as pl
import pytest
import torch
from tests.unit.makers import (
    BINARY_TASKS,
    SCENIC,
    SCHEMA,
    Data,
    make_data,
    make_log,
    make_model,
    whole,
    write_store,
)
from torch import nn

from plait.architectures import ARCHITECTURES, PLE, STEM, AdaTT, CrossStitch, SharedBottom
from plait.data.preprocessing import Preprocessor
from plait.data.schema import Categorical, Numeric, Schema
from plait.errors import TaskError
from plait.models import ArchitectureFactory, MultiTaskModel
from plait.tasks import Binary, Multiclass, Regression, Task
from plait.training import grow_from

OLD_TASKS: tuple[Task, ...] = (*BINARY_TASKS, Regression("rating"))


def narrow(kind: type) -> ArchitectureFactory:
    if kind is PLE:
        return partial(PLE, dropout=0.0)
    factory: ArchitectureFactory = partial(kind, layers=(6,), dropout=0.0)
    return factory


def randomised(model: MultiTaskModel) -> MultiTaskModel:
    """The model with weights that are all different and not small, as if trained."""
    torch.manual_seed(7)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model.eval()


def later_log() -> pl.DataFrame:
    """Later rows, with new users, items and cities, another scale, and a new column."""
    frame = make_log(160, seed=5)
    return frame.with_columns(
        user_id=pl.col("user_id") + 3,
        item_id=pl.col("item_id") + 5,
        city=pl.col("city").replace("Oslo", "Lima"),
        rating=pl.col("rating") * 2 + 1,
        tab=pl.col("tab").replace("search", "feed"),
        device=pl.Series(["phone", "tv"] * 80),
        hour=pl.Series([float(row % 24) for row in range(160)]),
    )


def grown_data(folder: Path, older: Data, tasks: tuple[Task, ...], schema: Schema) -> Data:
    """Later rows prepared so that known ids keep their places."""
    frame = later_log()
    preprocessor = Preprocessor(schema).fit(frame).keep(older.preprocessor)
    store = write_store(folder / "later", frame, preprocessor, tasks)
    return Data(store, store, preprocessor, tasks, frame, frame)


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return make_data(tmp_path_factory.mktemp("old"), OLD_TASKS)


def predictions_agree(
    model: MultiTaskModel, grown: Data, older: MultiTaskModel, old: Data, folder: Path
) -> None:
    """On rows with known ids both models predict the same for every task of the older one."""
    extra = grown.frame.head(old.valid_frame.height).select("device", "hour")
    frame = old.valid_frame.head(extra.height).hstack(extra)
    tasks = tuple(older.tasks.values())
    seen_by_new = write_store(folder / "seen", frame, grown.preprocessor, tasks)
    before = older.predict(old.valid.batch(slice(0, extra.height)))
    after = model.eval().predict(whole(seen_by_new))
    for name, expected in before.items():
        torch.testing.assert_close(after[name], expected, rtol=1e-5, atol=1e-6, msg=name)


@pytest.mark.parametrize("kind", ARCHITECTURES, ids=lambda kind: kind.__name__)
def test_case_19_new_ids_features_and_tasks_leave_old_predictions_as_they_were(
    kind: type, tmp_path: Path
) -> None:
    old = make_data(tmp_path, OLD_TASKS, schema=SCENIC)
    older = randomised(make_model(old, architecture=narrow(kind)))
    schema = replace(
        SCENIC,
        features=(
            Numeric("hour", num_pieces=3, num_bins=0),
            *SCENIC.features,
            Categorical("device", embedding_dim=3, min_count=1),
        ),
    )
    # An architecture that mixes all experts (PLE's shared gate, STEM) changes when a task is added.
    new_tasks = (
        ()
        if kind in (PLE, AdaTT, CrossStitch, STEM)
        else (Binary("watched", label="seconds > 20"),)
    )
    data = grown_data(tmp_path, old, (*OLD_TASKS, *new_tasks), schema)
    model = make_model(data, architecture=narrow(kind), seed=3)
    grow_from(model, older)
    predictions_agree(model, data, older, old, tmp_path)


def test_case_19_known_ids_keep_their_vectors_and_new_ones_have_their_own(
    old: Data, tmp_path: Path
) -> None:
    older = randomised(make_model(old))
    data = grown_data(tmp_path, old, OLD_TASKS, SCHEMA)
    model = make_model(data, seed=3)
    grow_from(model, older)
    for table in older.tables.tables:
        width, there = older.tables.rows_of(table.name)
        _, here = model.tables.rows_of(table.name)
        found = model.tables.storages[width][here]
        assert torch.equal(found[: table.num_rows], older.tables.storages[width][there])
        assert found.abs().max(dim=1).values.min() > 0
    grown = {t.name: t.num_rows for t in model.tables.tables}
    before = {t.name: t.num_rows for t in older.tables.tables}
    assert grown["user_id"] > before["user_id"]
    assert grown["city"] > before["city"]
    assert grown["age.bin"] == before["age.bin"]


def test_features_that_only_some_towers_read_are_taken_over_too(old: Data, tmp_path: Path) -> None:
    tasks = (replace(OLD_TASKS[0], hide=("age", "text")), *OLD_TASKS[1:])
    older = randomised(make_model(old, tasks=tasks))
    schema = replace(
        SCHEMA, features=(Categorical("device", embedding_dim=3, min_count=1), *SCHEMA.features)
    )
    hidden = (replace(OLD_TASKS[0], hide=("device", "age", "text")), *OLD_TASKS[1:])
    data = grown_data(tmp_path, old, hidden, schema)
    for tower in ((6,), ()):
        older = randomised(make_model(old, tasks=tasks, tower=tower))
        model = make_model(data, tower=tower, seed=3)
        grow_from(model, older)
        folder = tmp_path / f"{len(tower)}"
        folder.mkdir()
        predictions_agree(model, data, older, old, folder)


def test_a_feature_that_left_is_dropped_and_the_others_stay(old: Data) -> None:
    older = randomised(make_model(old))
    fewer = replace(SCHEMA, features=tuple(f for f in SCHEMA.features if f.name != "city"))
    layout = Preprocessor(fewer).fit(old.frame).layout
    model = MultiTaskModel(
        layout, OLD_TASKS, architecture=partial(SharedBottom, layers=(16, 8)), tower=(6,)
    )
    grow_from(model, older)
    starts = {"user_id": 0, "item_id": 4}
    weight = model.get_parameter("architecture.bottom.linears.0.weight")
    source = older.get_parameter("architecture.bottom.linears.0.weight")
    for start in starts.values():
        assert torch.equal(weight[:, start : start + 4], source[:, start : start + 4])
    assert torch.equal(weight[:, 8:], source[:, 11:])


def test_what_heads_learnt_from_labels_is_taken_over(old: Data, tmp_path: Path) -> None:
    older = randomised(make_model(old))
    data = grown_data(tmp_path, old, OLD_TASKS, SCHEMA)
    model = make_model(data)
    head = "heads.of_rating.location"
    assert model.get_buffer(head) != older.get_buffer(head)
    grow_from(model, older)
    assert model.get_buffer(head) == older.get_buffer(head)


def test_a_task_of_another_kind_or_other_classes_starts_afresh(old: Data, tmp_path: Path) -> None:
    frame = old.frame.with_columns(like=pl.col("click"))
    for number, (before, after) in enumerate(
        [
            (Binary("like"), Regression("like")),
            (
                Multiclass("like", label="answer", classes=("no", "perhaps", "yes")),
                Multiclass("like", label="answer", classes=("yes", "perhaps", "no")),
            ),
        ]
    ):
        first = make_data(tmp_path / f"{number}a", [before], frame=frame, valid_frame=frame)
        second = make_data(tmp_path / f"{number}b", [after], frame=frame, valid_frame=frame)
        older, model = randomised(make_model(first)), make_model(second)
        kept = {n: p.detach().clone() for n, p in model.named_parameters() if "of_like" in n}
        grow_from(model, older)
        assert all(torch.equal(model.get_parameter(name), p) for name, p in kept.items())
        shared = "architecture.bottom.linears.0.weight"
        assert torch.equal(model.get_parameter(shared), older.get_parameter(shared))


def test_a_table_of_another_width_starts_afresh(old: Data) -> None:
    older = randomised(make_model(old))
    wider = replace(
        SCHEMA, features=(Categorical("user_id", embedding_dim=6), *SCHEMA.features[1:])
    )
    layout = Preprocessor(wider).fit(old.frame).layout
    model = MultiTaskModel(
        layout, OLD_TASKS, architecture=partial(SharedBottom, layers=(16, 8)), tower=(6,)
    )
    before = model.tables.storages["6"].detach().clone()
    grow_from(model, older)
    assert torch.equal(model.tables.storages["6"], before)
    assert not model.get_parameter("architecture.bottom.linears.0.weight")[:, :6].any()


def test_tasks_that_changed_places_are_refused(old: Data) -> None:
    older = make_model(old)
    model = make_model(old, tasks=[OLD_TASKS[1], OLD_TASKS[0], OLD_TASKS[2]])
    with pytest.raises(TaskError, match=r"'like' is number 1 of the tasks, and was number 2") as e:
        grow_from(model, older)
    assert "Leave the old tasks in their places (click, like, rating)" in str(e.value)
