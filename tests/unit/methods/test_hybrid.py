"""Hybrid learning: what is hidden and predicted, what stands still, resuming, reuse, bad input."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from tests.unit.makers import BINARY_TASKS, Data, make_data, make_log, make_model, same_bits
from torch import Tensor, nn
from torch.nn import functional
from torch.testing import assert_close

from plait.architectures import MMoE
from plait.data.batch import MASK, NUM_RESERVED
from plait.data.schema import Categorical, Numeric, Schema
from plait.errors import ArgumentTypeError, ArtifactError, ConfigurationError, TrainingInterrupted
from plait.methods import SCARF, Denoising, Hybrid, MaskedFields, Pretext
from plait.methods.fields import fields_of
from plait.methods.first_layer import first_layer, representation, representation_width
from plait.methods.hybrid import _verdict
from plait.methods.masked_fields import FieldDecoder
from plait.models import MultiTaskModel
from plait.tasks import Binary
from plait.training import Callback, Expected, StepReport, Supervised, Trainer, Training

SETTINGS = Training(epochs=2, batch_size=40, average=0.9, seed=3, checkpoint_seconds=1e9)
QUICK = Hybrid(pretext_epochs=2, head_epochs=2)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    frame = make_log(240).with_columns(kept=np.random.default_rng(0).random(240) > 0.4)
    tasks = [Binary("click", observed="kept"), Binary("like", observed="kept")]
    valid = make_log(120, seed=1).with_columns(kept=True)
    return make_data(tmp_path_factory.mktemp("hybrid"), tasks, frame=frame, valid_frame=valid)


def _bits(
    data: Data,
    method: Hybrid,
    *,
    folder: Path | None = None,
    callbacks: Sequence[Callback] = (),
) -> dict[str, Tensor]:
    model = make_model(data, dropout=0.2)
    method.fit(model, data.train, data.valid, settings=SETTINGS, folder=folder, callbacks=callbacks)
    return dict(model.state_dict())


def test_the_fields_are_the_features_that_all_tasks_read(data: Data) -> None:
    found = fields_of(make_model(data)).fields
    assert [f.name for f in found] == ["user_id", "item_id", "city", "age", "price"]
    age = found[3]
    assert (age.number, age.classes, age.table) == (0, 10, None)
    assert data.train.layout.ids[age.ids[0]].name == "age.bin"
    hidden = [Binary("click", hide=("city",)), Binary("like")]
    names = [f.name for f in fields_of(make_model(data, tasks=hidden)).fields]
    assert names == ["user_id", "item_id", "age", "price"]


def test_a_hidden_field_leaves_nothing_behind(data: Data) -> None:
    fields = fields_of(make_model(data))
    batch = data.train.batch(slice(0, 6))
    hidden = torch.zeros(6, 5, dtype=torch.bool)
    hidden[0, 0] = hidden[1, 3] = hidden[2, 4] = True
    found = fields.hide(batch, hidden)
    columns = [c.name for c in data.train.layout.ids]
    user, age_bin = columns.index("user_id"), columns.index("age.bin")
    assert found.ids[0, user] == MASK
    assert found.ids[1, age_bin] == MASK
    numbers, before = found.numbers.view(6, 2, 3), batch.numbers.view(6, 2, 3)
    assert_close(numbers[1, 0], torch.tensor([0.0, 0.0, 1.0]))
    assert_close(numbers[2, 1], torch.tensor([0.0, 0.0, 1.0]))
    assert torch.equal(numbers[3:], before[3:])
    changed = (found.ids != batch.ids).nonzero().tolist()
    assert changed == [[0, user], [1, age_bin]]
    assert batch.ids[0, user] != MASK, "the batch itself stays"


def test_a_swapped_field_comes_whole_from_one_other_row(data: Data) -> None:
    fields = fields_of(make_model(data))
    batch = data.train.batch(slice(0, 40))
    torch.manual_seed(0)
    found = fields.swap(batch, torch.ones(40, 5, dtype=torch.bool))
    assert torch.equal(found.ids.sort(dim=0).values, batch.ids.sort(dim=0).values)
    bins = [c.name for c in data.train.layout.ids].index("age.bin")
    ages = {
        (float(a), int(b)) for a, b in zip(batch.numbers[:, 0], batch.ids[:, bins], strict=True)
    }
    assert {
        (float(a), int(b)) for a, b in zip(found.numbers[:, 0], found.ids[:, bins], strict=True)
    } == ages


def test_numbers_are_predicted_as_tenths(data: Data) -> None:
    fields = fields_of(make_model(data))
    targets = fields.targets(data.train.batch(slice(0, 240)))
    assert (targets[:, 3] == -1).tolist() == data.frame["age"].is_null().to_list()
    counts = np.bincount(targets[:, 4].numpy(), minlength=10)
    assert counts.min() > 240 / 10 - 6
    assert counts.max() < 240 / 10 + 6


def test_the_loss_is_the_scaled_cross_entropy_of_what_was_hidden(data: Data) -> None:
    model = make_model(data)
    batch = data.train.batch(slice(0, 60))
    decoder = MaskedFields(share=0.4).decoder(model, width=representation_width(model, data.train))
    assert isinstance(decoder, FieldDecoder)
    torch.manual_seed(5)
    found = MaskedFields(share=0.4).loss(model.eval(), decoder, batch)
    torch.manual_seed(5)
    hidden = torch.rand(60, 5) < 0.4
    fields = fields_of(model)
    read = representation(model, fields.hide(batch, hidden))
    targets = fields.targets(batch)
    parts = []
    for place, field in enumerate(fields.fields):
        logits = decoder.layers[place](read).log_softmax(dim=1)
        rows = [r for r in range(60) if hidden[r, place] and targets[r, place] >= 0]
        losses = [-logits[r, targets[r, place]] / math.log(field.classes) for r in rows]
        parts.append(sum(losses) / len(losses))
    assert_close(found, sum(parts) / 5)


def test_with_every_other_id_the_sampled_softmax_is_nearly_the_whole_one(data: Data) -> None:
    model = make_model(data)
    tied = FieldDecoder(model, 8, most_ids=5, sampled=200_000)
    assert tied.tied == (True, True, True, False, False)
    read, target = torch.randn(3, 8), torch.tensor([4, 7, 9])
    targets = torch.full((3, 5), -1)
    targets[:, 0] = target
    counted = torch.zeros(3, 5, dtype=torch.bool)
    counted[:, 0] = True
    with torch.no_grad():
        model.tables.storages["4"].normal_()
        torch.manual_seed(0)
        found = tied.loss(model, read, targets, counted)
        storage, part = model.tables.rows_of("user_id")
        vectors = model.tables.storages[storage][part][NUM_RESERVED:]
        logits = tied.layers[0](read) @ vectors.T
        whole = functional.cross_entropy(logits, target - NUM_RESERVED)
    classes = part.stop - part.start
    assert_close(found, whole / math.log(classes), atol=0.01, rtol=0)


def test_denoising_by_hand(data: Data) -> None:
    model = make_model(data).eval()
    batch = data.train.batch(slice(0, 30))
    pretext = Denoising(share=0.5, swaps=2.0, sparsity=0.3)
    decoder = pretext.decoder(model, width=representation_width(model, data.train))
    assert isinstance(decoder, nn.ModuleDict)
    torch.manual_seed(5)
    found = pretext.loss(model, decoder, batch)
    torch.manual_seed(5)
    swapped = torch.rand(30, 5) < 0.5
    fields = fields_of(model)
    read = representation(model, fields.swap(batch, swapped))
    known = decoder["fields"]
    assert isinstance(known, FieldDecoder)
    everything = torch.ones(30, 5, dtype=torch.bool)
    given_back = known.loss(model, read, fields.targets(batch), everything)
    told = torch.sigmoid(decoder["swapped"](read))
    which = -torch.where(swapped, told.log(), (1 - told).log()).mean()
    assert_close(found, given_back + 2 * which + 0.3 * read.abs().mean())


def test_scarf_by_hand(data: Data) -> None:
    model = make_model(data).eval()
    batch = data.train.batch(slice(0, 20))
    pretext = SCARF(temperature=0.5)
    decoder = pretext.decoder(model, width=representation_width(model, data.train))
    torch.manual_seed(5)
    found = pretext.loss(model, decoder, batch)
    torch.manual_seed(5)
    swapped = torch.rand(20, 5) < 0.6
    copies = decoder(representation(model, fields_of(model).swap(batch, swapped)))
    rows = decoder(representation(model, batch))
    cosine = functional.cosine_similarity(rows[:, None], copies[None], dim=2)
    own = torch.exp(cosine.diagonal() / 0.5)
    assert_close(found, -torch.log(own / torch.exp(cosine / 0.5).sum(dim=1)).mean())


@pytest.mark.parametrize("pretext", [MaskedFields(), Denoising(swaps=2.0), SCARF()])
def test_every_pretext_shapes_the_first_layer_and_no_tower(data: Data, pretext: Pretext) -> None:
    model = make_model(data, architecture=partial(MMoE, num_experts=2, layers=(8,)))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    Hybrid(pretext=pretext, pretext_epochs=1).prepare(model, data.train, settings=SETTINGS)
    changed = {n for n, t in model.state_dict().items() if not torch.equal(t, before[n])}
    assert changed <= set(first_layer(model))
    assert any(name.startswith("architecture.") for name in changed)
    assert any(name.startswith("tables.") for name in changed)


def test_a_probe_on_a_learnt_first_layer_beats_one_on_a_random_one(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 2, 2_000)
    columns = {
        f"f{i}": np.where(rng.random(2_000) < 0.9, kind, 1 - kind) * 3 + rng.integers(0, 3, 2_000)
        for i in range(6)
    }
    frame = pl.DataFrame({**columns, "click": kind, "like": 1 - kind})
    frame = frame.with_columns(like=pl.when(pl.col("f0") > 1).then("like"))
    schema = Schema(tuple(Categorical(name, embedding_dim=4) for name in columns))
    data = make_data(tmp_path, BINARY_TASKS, schema=schema, frame=frame, valid_frame=frame[:50])

    def probe(model: MultiTaskModel) -> float:
        with torch.no_grad():
            read = representation(model.eval(), data.train.batch(slice(0, 2_000)))
        middle = read - read.mean(dim=0)
        leading = torch.linalg.svd(middle, full_matrices=False)[0][:, 0].numpy()
        return abs(np.corrcoef(leading, kind)[0, 1])

    model = make_model(data)
    random = probe(model)
    Hybrid(pretext_epochs=5).prepare(model, data.train, settings=SETTINGS)
    assert probe(model) > max(0.9, random + 0.1)


def test_with_every_label_there_the_bits_are_those_of_supervised_training(tmp_path: Path) -> None:
    whole = make_data(tmp_path, [Binary("click"), Binary("buy")])
    model = make_model(whole, dropout=0.2)
    Trainer(model, SETTINGS).fit(whole.train, whole.valid)
    assert same_bits(_bits(whole, QUICK), dict(model.state_dict()))
    history = QUICK.fit(make_model(whole), whole.train, whole.valid, settings=SETTINGS)
    assert "every training row has every label" in history.notes[0]


def test_the_first_layer_stands_still_in_stage_b(data: Data) -> None:
    seen: list[dict[str, Tensor]] = []
    model = make_model(data)

    class Looking(Callback):
        def on_stage(self, stage: str) -> None:
            seen.append({n: p.detach().clone() for n, p in first_layer(model).items()})

    QUICK.fit(model, data.train, data.valid, settings=SETTINGS, callbacks=[Looking()])
    random, again, learnt, after_heads = seen
    assert same_bits(random, again)
    assert not same_bits(again, learnt)
    assert same_bits(learnt, after_heads)
    assert all(p.requires_grad for p in model.parameters())
    assert "pretext" not in dict(model.named_children())


def test_the_run_says_what_the_first_layer_is_worth(data: Data, tmp_path: Path) -> None:
    history = QUICK.fit(make_model(data), data.train, data.valid, settings=SETTINGS)
    assert "heads alone reach a mix of 0." in history.notes[-1]
    heads = history.stages[-1].best_mix
    assert f"{heads:.4f} on the first layer" in history.notes[-1]
    assert _verdict(0.72, 0.70).endswith("on a random one.")
    assert _verdict(0.70, 0.70).endswith("hybrid learning is not likely to help here.")


def test_a_rate_of_zero_holds_the_dense_first_layer_in_stage_c(data: Data) -> None:
    model = make_model(data)
    method = replace(QUICK, first_layer_rate=0.0)
    method.prepare(model, data.train, settings=SETTINGS)
    still = {n: p.detach().clone() for n, p in first_layer(model).items() if "tables" not in n}
    method.learn(
        model,
        data.train,
        data.valid,
        objective=Supervised({"click": Expected(1.0), "like": Expected(1.0)}),
        settings=replace(SETTINGS, weight_decay=0.0, average=0.0),
    )
    assert same_bits(still, {n: p for n, p in first_layer(model).items() if n in still})


def test_an_anchor_keeps_the_first_layer_nearer(data: Data) -> None:
    def way(anchor: float) -> float:
        model = make_model(data)
        method = replace(QUICK, first_layer_rate=1.0, anchor=anchor)
        method.prepare(model, data.train, settings=SETTINGS)
        start = {n: p.detach().clone() for n, p in first_layer(model).items()}
        objective = Supervised({"click": Expected(1.0), "like": Expected(1.0)})
        method.learn(model, data.train, data.valid, objective=objective, settings=SETTINGS)
        return sum(
            float((p.detach() - start[n]).square().sum())
            for n, p in first_layer(model).items()
            if "tables" not in n
        )

    assert way(10.0) < 0.5 * way(0.0)


def test_a_run_that_was_stopped_anywhere_goes_on_to_the_same_bits(
    data: Data, tmp_path: Path
) -> None:
    class StopAfter(Callback):
        def __init__(self, steps: int) -> None:
            self.left = steps

        def on_step(self, report: StepReport) -> None:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGINT)

    expected = _bits(data, QUICK)
    for steps in (3, 14, 20):
        folder = tmp_path / str(steps)
        with suppress(TrainingInterrupted):
            _bits(data, QUICK, folder=folder, callbacks=[StopAfter(steps)])
        assert same_bits(_bits(data, QUICK, folder=folder), expected)


def test_a_first_layer_is_reused(data: Data, tmp_path: Path) -> None:
    once = _bits(data, QUICK, folder=tmp_path / "one")
    kept = str(tmp_path / "one" / "first_layer")
    again = Hybrid(first_layer=kept, head_epochs=2)
    assert same_bits(_bits(data, again), once)
    assert again.to_json()["pretext"] is None
    with pytest.raises(ArtifactError, match="there is no first layer"):
        _bits(data, Hybrid(first_layer=str(tmp_path)))
    wide = make_model(data, architecture=partial(MMoE, num_experts=2, layers=(8,)))
    with pytest.raises(ConfigurationError, match="does not fit this model: architecture, shapes"):
        again.prepare(wide, data.train, settings=SETTINGS)
    (tmp_path / "one" / "first_layer" / "first_layer.json").write_text("{", encoding="utf-8")
    with pytest.raises(ArtifactError, match="it is damaged"):
        _bits(data, again)


def test_what_is_known_after_the_exposure_is_refused(tmp_path: Path) -> None:
    late = Schema((Categorical("user_id"), Numeric("seconds", known="after")))
    data = make_data(tmp_path, BINARY_TASKS, schema=late)
    model = make_model(data)
    with pytest.raises(ConfigurationError, match="'seconds' is only known after the exposure"):
        Hybrid().prepare(model, data.train, settings=SETTINGS)
    hidden = [Binary("click", hide=("seconds",)), Binary("like")]
    Hybrid(pretext_epochs=1).prepare(make_model(data, tasks=hidden), data.train, settings=SETTINGS)


BAD: list[tuple[Callable[[], object], str]] = [
    (lambda: Hybrid(pretext_epochs=0), "`pretext_epochs` must be at least 1, got 0"),
    (lambda: Hybrid(first_layer_rate=-0.1), "`first_layer_rate` must be at least 0, got -0.1"),
    (lambda: Hybrid(pretext=SCARF(), first_layer="x"), "`pretext` is not used beside"),
    (lambda: MaskedFields(share=1.0), "`share` must lie between 0 and 1, got 1.0"),
    (lambda: MaskedFields(sampled=0), "`sampled` must be positive, got 0"),
    (lambda: Denoising(swaps=-1.0), "`swaps` must be at least 0, got -1.0"),
    (lambda: Denoising(share=0.0), "`share` must lie between 0 and 1, got 0.0"),
    (lambda: SCARF(temperature=0.0), "`temperature` must be positive, got 0.0"),
    (lambda: SCARF(share=1.0), "`share` must lie between 0 and 1, got 1.0"),
    (lambda: SCARF(width=0), "`width` must be positive, got 0"),
]


@pytest.mark.parametrize(("make", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_settings_say_what_is_wrong(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make()


def test_parts_of_the_wrong_kind_are_refused() -> None:
    with pytest.raises(ArgumentTypeError, match="`pretext` got 'masked'"):
        Hybrid(pretext="masked")  # type: ignore[arg-type]
    with pytest.raises(ArgumentTypeError, match="`penalty` got 3"):
        Hybrid(penalty=3)  # type: ignore[arg-type]
