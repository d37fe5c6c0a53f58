"""Sequence encoders in whole models: masks, targets, aligned lists, and what a task may not see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from tests.unit.makers import (
    BINARY_TASKS,
    SCHEMA,
    Data,
    gradients,
    make_data,
    make_log,
    make_model,
    same_bits,
    whole,
)
from tests.unit.models.encoding import SEQUENCES, check_cuts, check_gradients, reads, shaken
from torch.testing import assert_close

from plait.architectures import SharedBottom
from plait.artifact import Artifact, read_artifact, write_artifact
from plait.data.batch import UNKNOWN, Batch, Lists
from plait.data.schema import Categorical, Schema, Sequence
from plait.errors import ArchitectureError, DataError, UnknownNameError
from plait.models import MultiTaskModel, SequenceFactory
from plait.modules import whole as in_one
from plait.modules.interactions import DCNv2
from plait.modules.sequences import BST, DIN, GRU4Rec, SASRec, SumPooling
from plait.serving import load
from plait.studies.doctor.importance import permutation_importance
from plait.tasks import Binary
from plait.training import Trainer, Training, evaluate_store, grow_from

NAMES = list(SEQUENCES)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return make_data(tmp_path_factory.mktemp("data"), BINARY_TASKS, rows=60, valid_rows=40)


BEHAVIOURS = (
    *SCHEMA.features,
    Categorical("author", embedding_dim=4),
    Sequence("actions", embedding_dim=3, min_count=1),
    Sequence("searches", embedding_dim=4, min_count=1),
)


def with_behaviours(rows: int, seed: int = 0) -> pl.DataFrame:
    """A log whose history says what was done with each item; and what was searched for."""
    frame = make_log(rows, seed=seed)
    actions = [["view", "buy", "like"][: len(items)] for items in frame["history"].to_list()]
    return frame.with_columns(
        author=pl.col("item_id") % 7,
        actions=pl.Series(actions, dtype=pl.List(pl.String)),
        searches=pl.Series([["red", "shoe"]] * rows, dtype=pl.List(pl.String)),
    )


@pytest.fixture(scope="module")
def behaviours(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return make_data(
        tmp_path_factory.mktemp("behaviours"),
        BINARY_TASKS,
        schema=replace(SCHEMA, features=BEHAVIOURS),
        frame=with_behaviours(60),
        valid_frame=with_behaviours(40, seed=1),
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("count", [1, 2])
def test_gradients_reach_everything_and_can_be_cut_anywhere(
    name: str, count: int, data: Data
) -> None:
    tasks = [replace(data.tasks[0], hide=("age", "history")[:count]), *data.tasks[1:count]]
    model = shaken(make_model(data, tasks=tasks, sequence=SEQUENCES[name]))
    check_gradients(model, whole(data.valid))
    check_cuts(model, whole(data.valid))


@pytest.mark.parametrize("name", NAMES)
def test_no_row_one_row_and_many_rows(name: str, data: Data) -> None:
    model = shaken(make_model(data, sequence=SEQUENCES[name])).eval()
    all_rows = model.predict(whole(data.valid))
    for rows in (0, 1):
        found = model.predict(data.valid.batch(slice(0, rows)))
        for task, values in found.items():
            assert len(values) == rows
            assert_close(values, all_rows[task][:rows])


@pytest.mark.parametrize("name", NAMES)
def test_empty_and_unknown_sequences_work(name: str, data: Data) -> None:
    model = shaken(make_model(data, sequence=SEQUENCES[name])).train()
    batch = whole(data.valid)
    given = batch.lists["history"]
    empty = Lists(given.values[:0], torch.zeros_like(given.offsets))
    unknown = Lists(torch.full_like(given.values, UNKNOWN), given.offsets)
    for history in (empty, unknown):
        other = replace(batch, lists={**batch.lists, "history": history})
        model.zero_grad()
        outputs = model(other)
        assert all(found.isfinite().all() for found in outputs.values())
        torch.stack([found.sum() for found in outputs.values()]).sum().backward()
        assert all(gradient.isfinite().all() for gradient in gradients(model).values())


@pytest.mark.parametrize("name", NAMES)
def test_an_artifact_gives_the_same_bits(name: str, data: Data, tmp_path: Path) -> None:
    model = shaken(make_model(data, sequence=SEQUENCES[name])).eval()
    artifact = Artifact(model, data.preprocessor, SCHEMA)
    write_artifact(tmp_path / "artifact", artifact, plait_version="0")
    again = read_artifact(tmp_path / "artifact").model
    assert same_bits(again.predict(whole(data.valid)), model.predict(whole(data.valid)))


class Mine(SumPooling):
    """An encoder of one's own."""


class MyCross(DCNv2):
    """An interaction of one's own."""


def test_parts_of_one_s_own_are_read_again_where_they_are_named(data: Data, tmp_path: Path) -> None:
    model = shaken(make_model(data, sequence=Mine, interaction=MyCross)).eval()
    folder = tmp_path / "artifact"
    write_artifact(folder, Artifact(model, data.preprocessor, SCHEMA), plait_version="0")
    with pytest.raises(UnknownNameError, match=r"no sequence encoder 'Mine'\. .*SumPooling"):
        read_artifact(folder, interactions=[MyCross])
    with pytest.raises(UnknownNameError, match=r"no interaction 'MyCross'\. .*DCNv2"):
        read_artifact(folder, sequence_encoders=[Mine])
    again = load(folder, interactions=[MyCross], sequence_encoders=[Mine]).artifact.model
    assert same_bits(again.predict(whole(data.valid)), model.predict(whole(data.valid)))


def test_the_named_mean_is_the_mean_of_a_model_that_names_none(data: Data) -> None:
    plain = shaken(make_model(data)).eval()
    model = make_model(data, sequence=SEQUENCES["MeanPooling"]).eval()
    model.load_state_dict(plain.state_dict())
    for task, found in model.predict(whole(data.valid)).items():
        assert_close(found, plain.predict(whole(data.valid))[task], rtol=0, atol=1e-6)


def test_din_in_a_model_weighs_the_items_of_the_row_by_the_row_s_item(data: Data) -> None:
    model = shaken(make_model(data, sequence=DIN)).eval()
    batch = whole(data.valid)
    fields = model.lookup(batch)
    encoded = in_one(model.encode(fields).main)
    at = sum(model.entry_widths[e] for e in model.shared_entries[: place_of(model, "history")])
    assert model.sequences is not None
    encoder = model.sequences.encoder("history")
    assert isinstance(encoder, DIN)
    history, items = fields.lists["history"], fields.vectors["item_id"]
    for row in range(len(batch)):
        values = history.values[history.offsets[row] : history.offsets[row + 1]]
        expected = torch.zeros(4)
        for value in values:
            weight = encoder.weights(value.view(1, 1, 4), items[row : row + 1])
            expected = expected + weight[0, 0] * value
        assert_close(encoded[row, at : at + 4], expected, rtol=1e-4, atol=1e-5)


def place_of(model: MultiTaskModel, entry: str) -> int:
    return model.shared_entries.index(entry)


def test_what_was_done_is_added_to_what_it_was_done_with(behaviours: Data) -> None:
    chosen: Mapping[str, SequenceFactory] = {"history": partial(SASRec, aligned=["actions"])}
    model = shaken(make_model(behaviours, sequence_of=chosen)).eval()
    assert model.sequences is not None
    lists = model.lookup(whole(behaviours.valid)).lists
    (into,) = model.sequences.maps.values()
    added = lists["history"].values + lists["actions"].values @ into.weight.T
    other = {**lists, "history": lists["history"]._replace(values=added)}
    plain = shaken(make_model(behaviours, sequence_of={"history": SASRec})).eval()
    assert plain.sequences is not None
    plain.sequences.load_state_dict(model.sequences.state_dict(), strict=False)
    (run,) = model.sequences(lists, {})
    assert_close(model.sequences(lists, {})[run], plain.sequences(other, {})[run])


def test_each_sequence_may_have_an_encoder_of_its_own(behaviours: Data) -> None:
    model = make_model(behaviours, sequence=SumPooling, sequence_of={"searches": GRU4Rec})
    assert model.sequences is not None
    kinds = {name: type(model.sequences.encoder(name)) for name in model.sequences.names}
    assert kinds == {"history": SumPooling, "actions": SumPooling, "searches": GRU4Rec}
    check_gradients(shaken(model), whole(behaviours.valid))


def test_a_sequence_that_no_task_reads_has_no_encoder(data: Data) -> None:
    tasks = [replace(task, hide=("history",)) for task in data.tasks]
    model = make_model(data, tasks=tasks, sequence=GRU4Rec)
    check_gradients(model, whole(data.valid))
    assert model.sequences is not None
    assert not list(model.sequences.parameters())


@pytest.mark.parametrize("name", ["GRU4Rec", "BST"])
def test_a_task_does_not_see_a_sequence_that_is_hidden_from_it(name: str, data: Data) -> None:
    tasks = [replace(data.tasks[0], hide=("history",)), data.tasks[1]]
    model = shaken(make_model(data, tasks=tasks, sequence=SEQUENCES[name])).eval()

    def turned(batch: Batch) -> Batch:
        given = batch.lists["history"]
        flipped = Lists(given.values.flip(0), given.offsets)
        return replace(batch, lists={**batch.lists, "history": flipped})

    assert reads(model, whole(data.valid), turned) == {"like"}


def test_an_item_that_is_hidden_from_a_task_does_not_reach_it_through_a_sequence(
    data: Data, behaviours: Data
) -> None:
    tasks = [replace(data.tasks[0], hide=("item_id",)), data.tasks[1]]
    with pytest.raises(ArchitectureError, match=r"DIN reads 'item_id' together .*tasks click may"):
        make_model(data, tasks=tasks, sequence=DIN)
    tasks = [replace(data.tasks[0], hide=("item_id", "history")), data.tasks[1]]
    check_gradients(shaken(make_model(data, tasks=tasks, sequence=DIN)), whole(data.valid))
    tasks = [replace(data.tasks[0], hide=("actions",)), data.tasks[1]]
    with pytest.raises(ArchitectureError, match="GRU4Rec reads 'actions' together"):
        make_model(
            behaviours, tasks=tasks, sequence_of={"history": partial(GRU4Rec, aligned=["actions"])}
        )


def test_id_dropout_also_leaves_out_the_item_that_a_sequence_is_compared_with(data: Data) -> None:
    model = shaken(make_model(data, sequence=DIN, id_dropout=1.0)).train()
    batch = whole(data.valid)
    ids = batch.ids.clone()
    place = [column.name for column in model.layout.ids].index("item_id")
    ids[:, place] = ids[:, place].roll(1)
    found = in_one(model.encode(model.lookup(batch)).main)
    moved = model.encode(model.lookup(replace(batch, ids=ids))).main
    assert torch.equal(found, in_one(moved))


@pytest.mark.parametrize("kind", [DIN, BST])
def test_a_target_that_is_not_there_is_told(
    kind: SequenceFactory, data: Data, behaviours: Data
) -> None:
    words = r"'searches' with the item that is judged, but no categorical feature .*`sequence_of`"
    with pytest.raises(ArchitectureError, match=words):
        make_model(behaviours, sequence_of={"searches": kind})
    with pytest.raises(UnknownNameError, match=r"no feature 'item' in `target` of .*'item_id'"):
        make_model(data, sequence=partial(kind, target="item"))
    with pytest.raises(ArchitectureError, match=r"'history' with 'city', which has another table"):
        make_model(data, sequence=partial(kind, target="city"))


def test_several_items_of_one_table_have_to_be_told_apart(tmp_path: Path) -> None:
    frame = make_log(40).with_columns(other=pl.col("item_id"))
    features = (Categorical("other", shares="item_id"), Sequence("history", shares="item_id"))

    def made(item: str | None, name: str) -> Data:
        schema = Schema((Categorical("user_id"), Categorical("item_id"), *features), item=item)
        return make_data(
            tmp_path / name, BINARY_TASKS, schema=schema, frame=frame, valid_frame=frame
        )

    unsaid = made(None, "unsaid")
    with pytest.raises(ArchitectureError, match=r"item_id, other have its table\. Say which"):
        make_model(unsaid, sequence=DIN)
    model = make_model(unsaid, sequence=partial(DIN, target="other"))
    assert model.sequences is not None
    assert model.sequences.targets == {"history": "other"}
    check_gradients(shaken(model), whole(unsaid.valid))
    said = make_model(made("item_id", "said"), sequence=DIN)
    assert said.sequences is not None
    assert said.sequences.targets == {"history": "item_id"}


def test_unknown_sequences_are_told_with_the_nearest_name(behaviours: Data) -> None:
    with pytest.raises(UnknownNameError, match=r"no sequence 'serches' in `sequence_of`\. Did you"):
        make_model(behaviours, sequence_of={"serches": GRU4Rec})
    aligned = partial(GRU4Rec, aligned=["action"])
    with pytest.raises(UnknownNameError, match=r"no sequence 'action' in `aligned` of 'history'"):
        make_model(behaviours, sequence_of={"history": aligned})
    with pytest.raises(ArchitectureError, match="'actions' cannot be `aligned` with itself"):
        make_model(behaviours, sequence=partial(GRU4Rec, aligned=["actions"]))


def test_an_encoder_without_any_sequence_is_refused(tmp_path: Path) -> None:
    features = (Categorical("user_id"), Categorical("item_id"))
    found = make_data(tmp_path, BINARY_TASKS, schema=Schema(features), rows=20, valid_rows=20)
    with pytest.raises(ArchitectureError, match=r"no feature is a Sequence\. .*`History"):
        make_model(found, sequence=GRU4Rec)


def test_heads_that_do_not_fit_the_vectors_are_told_with_their_width(data: Data) -> None:
    with pytest.raises(ArchitectureError, match="got 3 heads for vectors of width 4"):
        make_model(data, sequence=partial(SASRec, heads=3))


def test_lists_of_other_lengths_are_not_aligned(behaviours: Data) -> None:
    model = make_model(behaviours, sequence_of={"history": partial(DIN, aligned=["searches"])})
    with pytest.raises(DataError, match=r"'searches' is said to be aligned with 'history', but"):
        model(whole(behaviours.valid))


def test_aligned_sequences_are_shuffled_together(behaviours: Data) -> None:
    chosen = {"history": partial(DIN, aligned=["actions"])}
    model = shaken(make_model(behaviours, sequence_of=chosen)).eval()
    found = permutation_importance(model, behaviours.valid, repeats=2, seed=0)
    said = {each.feature: each.loss for each in found if each.output == "click"}
    assert said["history"] == said["actions"] != said["searches"]


def test_a_model_grown_on_more_features_takes_its_encoders_over(
    data: Data, behaviours: Data
) -> None:
    older = shaken(make_model(data, sequence=SEQUENCES["GRU4Rec"])).eval()
    model = make_model(behaviours, sequence_of={"history": SEQUENCES["GRU4Rec"]}, seed=1).eval()
    grow_from(model, older)
    before, after = (m.predict(whole(d.valid)) for m, d in ((older, data), (model, behaviours)))
    for task, found in after.items():
        assert_close(found, before[task], rtol=0, atol=1e-5)


def auc_of(sequence: SequenceFactory | None, rows: pl.DataFrame, folder: Path) -> float:
    """Of `click` on the last third of the rows, after some epochs on the others."""
    schema = Schema((Categorical("item"), Sequence("history", shares="item")), item="item")
    cut = 2 * len(rows) // 3
    found = make_data(
        folder, [Binary("click")], schema=schema, frame=rows[:cut], valid_frame=rows[cut:]
    )
    bottom = partial(SharedBottom, layers=(32,), dropout=0.0)
    model = make_model(found, sequence=sequence, architecture=bottom, tower=())
    settings = Training(epochs=6, batch_size=64, table_learning_rate=0.3)
    Trainer(model, settings).fit(found.train)
    return evaluate_store(model, found.valid).tasks["click"]["auc"].value


def histories(click: Callable[[int, list[int]], bool]) -> pl.DataFrame:
    """Six of thirty items each, the judged one among them on half of the rows."""
    rng = np.random.default_rng(0)
    past = [rng.choice(30, 6, replace=False).tolist() for _ in range(4500)]
    items = [int(rng.choice(p)) if rng.random() < 0.5 else int(rng.integers(30)) for p in past]
    clicks = [click(item, p) for item, p in zip(items, past, strict=True)]
    return pl.DataFrame({"item": items, "history": past, "click": clicks})


def test_attention_to_the_judged_item_finds_what_a_mean_cannot(tmp_path: Path) -> None:
    rows = histories(lambda item, past: item in past)
    mean, din = auc_of(None, rows, tmp_path / "mean"), auc_of(DIN, rows, tmp_path / "din")
    assert din > 0.8 > 0.7 > mean, (din, mean)


@pytest.mark.parametrize("encoder", [GRU4Rec, SASRec])
def test_an_encoder_that_knows_the_order_finds_what_a_mean_cannot(
    encoder: SequenceFactory, tmp_path: Path
) -> None:
    rows = histories(lambda item, past: past[-1] % 2 == 0)
    mean = auc_of(None, rows, tmp_path / "mean")
    ordered = auc_of(encoder, rows, tmp_path / "ordered")
    assert ordered > 0.95 > 0.75 > mean, (ordered, mean)
