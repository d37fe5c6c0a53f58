"""Vectors of ids in bfloat16: half the memory, all else as with float32."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.unit.makers import Data, make_data, make_model, same_bits, whole
from tests.unit.training.narrow import PLACED
from tests.unit.training.narrow import made as made_in
from tests.unit.training.test_balancing import FIVE, RULES

from plait.architectures import ARCHITECTURES, STEM, Architecture, SharedBottom
from plait.artifact.content import build_model, model_settings
from plait.balancing import Surface
from plait.errors import ConfigurationError
from plait.methods import FiniteDifference, Hybrid, JointFeatures, Method, SoftLabels
from plait.training import Trainer, Training, grow_from, predict_store

SETTINGS = Training(max_steps=8, batch_size=32, evaluate_steps=4)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return make_data(tmp_path_factory.mktemp("data"), FIVE, schema=PLACED, rows=120, valid_rows=40)


made = partial(made_in, table_precision="bf16")


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_vectors_alone_are_narrow_and_every_structure_trains(
    kind: type[Architecture], data: Data
) -> None:
    model = made(data, kind)
    Trainer(model, SETTINGS).fit(data.train, data.valid)
    narrow = {name for name, p in model.named_parameters() if p.dtype == torch.bfloat16}
    vectors = ("tables.", "own_tables.", "factor_tables.")
    assert narrow == {name for name, _ in model.named_parameters() if name.startswith(vectors)}
    assert any(name.startswith("own_tables.") for name in narrow) == (kind is STEM)
    assert all(p.isfinite().all() for p in model.parameters())
    assert data.valid is not None
    for values in predict_store(model, data.valid).values():
        assert values.dtype == np.float32
        assert np.isfinite(values).all()


def test_they_take_half_the_memory_with_average_and_checkpoint(data: Data, tmp_path: Path) -> None:
    sizes = []
    for precision in ("fp32", "bf16"):
        model = make_model(data, factors=64, table_precision=precision)
        folder = tmp_path / precision
        trainer = Trainer(model, SETTINGS, folder=folder)
        trainer.fit(data.train, data.valid)
        state = trainer.stepper.state_dict()
        kept = [state[f"ema.average.{n}"] for n, _ in model.named_parameters() if "tables." in n]
        own = [model.tables, model.factor_tables]
        parameters = [p for part in own if part is not None for p in part.parameters()]
        sizes.append([sum(t.nbytes for t in tensors) for tensors in (parameters, kept)])
    (wide, wide_average), (narrow, narrow_average) = sizes
    assert narrow * 2 == wide
    assert narrow_average < wide_average
    assert wide_average - narrow_average == wide - narrow


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("surface", ["tables", "parameters"])
def test_every_rule_reads_their_gradients(rule: str, surface: Surface, data: Data) -> None:
    balancer = RULES[rule](surface)
    model = make_model(
        data,
        architecture=partial(SharedBottom, layers=(16, 8)),
        table_precision="bf16",
        preference=balancer.draws_preferences,
    )
    Trainer(model, SETTINGS, balancer=balancer).fit(data.train, data.valid)
    assert all(p.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize(
    "method",
    [
        JointFeatures(penalty=FiniteDifference(radius=0.2)),
        SoftLabels(members=2, tasks=("click",)),
        Hybrid(pretext_epochs=1, head_epochs=1),
    ],
    ids=lambda method: type(method).__name__,
)
def test_every_way_to_learn_trains_them(method: Method, data: Data) -> None:
    model = made(data)
    method.fit(model, data.train, data.valid, settings=SETTINGS)
    assert all(p.isfinite().all() for p in model.parameters())


def test_a_killed_run_resumes_to_the_same_bits(data: Data, tmp_path: Path) -> None:
    one, other = made(data), made(data)
    Trainer(one, SETTINGS, folder=tmp_path / "whole").fit(data.train, data.valid)
    folder = tmp_path / "halves"
    Trainer(other, replace(SETTINGS, max_steps=4), folder=folder).fit(data.train, data.valid)
    again = made(data, seed=1)
    Trainer(again, SETTINGS, folder=folder).fit(data.train, data.valid)
    assert same_bits(one.state_dict(), again.state_dict())


def test_the_same_model_comes_back_from_settings_and_weights(data: Data) -> None:
    model = made(data).eval()
    again = build_model(model_settings(model))(data.train.layout, data.tasks).eval()
    again.load_state_dict(model.state_dict())
    assert model_settings(again)["table_precision"] == "bf16"
    assert {p.dtype for p in again.tables.parameters()} == {torch.bfloat16}
    assert same_bits(again.predict(whole(data.valid)), model.predict(whole(data.valid)))


def test_losses_and_gradients_are_those_of_the_rounded_vectors(data: Data) -> None:
    """A model of float32 that holds the same vectors looks up, and learns, the same."""
    narrow = made(data, dropout=0.0)
    wide = make_model(data, architecture=partial(SharedBottom, layers=(16, 8)))
    wide.load_state_dict({n: t.float() for n, t in narrow.state_dict().items()})
    found = []
    for model in (narrow, wide):
        model.train().zero_grad()
        torch.manual_seed(0)
        outputs = model(whole(data.train))
        torch.stack([out.square().mean() for out in outputs.values()]).sum().backward()
        gradients = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
        found.append((outputs, gradients))
    (outputs, gradients), (others, exact) = found
    assert same_bits(outputs, others)
    for name, gradient in gradients.items():
        one, other = (g.to_dense() if g.is_sparse else g for g in (gradient, exact[name]))
        near = 1e-4 + 0.01 * float(other.abs().max())
        torch.testing.assert_close(one.float(), other, rtol=0.02, atol=near)


def test_an_older_run_of_the_other_precision_is_taken_over(data: Data) -> None:
    wide = make_model(data, architecture=partial(SharedBottom, layers=(16, 8)))
    narrow = made(data, seed=3)
    grow_from(narrow, wide)
    for width, storage in narrow.tables.storages.items():
        assert torch.equal(storage, wide.tables.storages[width].bfloat16())


def test_another_precision_is_refused(data: Data) -> None:
    with pytest.raises(ConfigurationError, match="`table_precision` is 'fp32' or 'bf16', got 'f8'"):
        make_model(data, table_precision="f8")  # type: ignore[arg-type]
