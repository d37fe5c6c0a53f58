"""bfloat16: finite everywhere, near to fp32, and never in what is kept."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.unit.makers import Data, make_data, make_model, same_bits
from tests.unit.training.narrow import PLACED, made
from tests.unit.training.test_balancing import FIVE, RULES

from plait.architectures import ARCHITECTURES, Architecture, SharedBottom
from plait.balancing import Balancer, Equal
from plait.errors import ConfigurationError
from plait.methods import FiniteDifference, GradientNorm, Hybrid, JointFeatures, Method, SoftLabels
from plait.models import MultiTaskModel
from plait.training import Callback, History, StepReport, Trainer, Training, predict_store

NARROW = Training(max_steps=6, batch_size=32, evaluate_steps=3, precision="bf16")


class Seen(Callback):
    """What the steps came to."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def on_step(self, report: StepReport) -> None:
        self.losses += report.losses.values()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return make_data(tmp_path_factory.mktemp("data"), FIVE, schema=PLACED, rows=120, valid_rows=40)


def kinds_of_products(model: MultiTaskModel) -> set[torch.dtype]:
    """Of what the last layer of every tower gave, in training."""
    found: set[torch.dtype] = set()
    for name in model.tasks:
        model.tower_of(name).last.register_forward_hook(
            lambda layer, given, out: found.add(out.dtype) if layer.training else None
        )
    return found


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_two_hundred_steps_are_finite_on_every_structure(
    kind: type[Architecture], data: Data
) -> None:
    """Field case 85: models that become NaN in bfloat16."""
    model, seen = made(data, kind, tasks=2), Seen()
    products = kinds_of_products(model)
    settings = replace(NARROW, max_steps=200, evaluate_steps=200, epochs=60)
    Trainer(model, settings, callbacks=(seen,)).fit(data.train, data.valid)
    assert products == {torch.bfloat16}
    assert all(math.isfinite(loss) for loss in seen.losses)
    assert len(seen.losses) > 200
    assert all(p.dtype == torch.float32 and p.isfinite().all() for p in model.parameters())
    assert data.valid is not None
    for values in predict_store(model, data.valid).values():
        assert np.isfinite(values).all()


@pytest.mark.parametrize("rule", RULES)
def test_rules_balance_tasks_in_bfloat16(rule: str, data: Data) -> None:
    balancer: Balancer = RULES[rule]("shared")
    model = make_model(
        data,
        architecture=partial(SharedBottom, layers=(16, 8)),
        preference=balancer.draws_preferences,
    )
    seen = Seen()
    Trainer(model, NARROW, balancer=balancer, callbacks=(seen,)).fit(data.train, data.valid)
    assert seen.losses
    assert all(math.isfinite(loss) for loss in seen.losses)
    assert all(p.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize(
    "method",
    [
        JointFeatures(penalty=FiniteDifference(radius=0.2)),
        JointFeatures(penalty=GradientNorm(strength=1.0, form="normalised")),
        SoftLabels(members=2, tasks=("click",)),
        Hybrid(pretext_epochs=1, head_epochs=1),
    ],
    ids=lambda method: type(method).__name__,
)
def test_every_way_to_learn_is_finite_in_bfloat16(method: Method, data: Data) -> None:
    model = made(data)
    method.fit(model, data.train, data.valid, settings=NARROW)
    assert all(p.dtype == torch.float32 and p.isfinite().all() for p in model.parameters())


def test_the_first_losses_are_those_of_fp32_to_three_digits(data: Data) -> None:
    found = {}
    for precision in ("fp32", "bf16"):
        seen = Seen()
        settings = replace(NARROW, precision=precision, max_steps=20, evaluate_steps=20)
        Trainer(made(data), settings, callbacks=(seen,)).fit(data.train, data.valid)
        found[precision] = np.array(seen.losses)
    wide, narrow = found["fp32"], found["bf16"]
    assert not np.array_equal(wide, narrow)
    np.testing.assert_allclose(narrow, wide, rtol=0.02, atol=2e-3)


def test_a_killed_run_resumes_to_the_same_bits(data: Data, tmp_path: Path) -> None:
    whole, halves = made(data), made(data)
    Trainer(whole, NARROW, folder=tmp_path / "whole").fit(data.train, data.valid)
    folder = tmp_path / "halves"
    Trainer(halves, replace(NARROW, max_steps=3), folder=folder).fit(data.train, data.valid)
    again = made(data, seed=1)
    history: History = Trainer(again, NARROW, folder=folder).fit(data.train, data.valid)
    assert history.stopped == "all steps were run"
    assert same_bits(whole.state_dict(), again.state_dict())


def test_predictions_are_those_of_fp32_whatever_a_model_was_trained_with(data: Data) -> None:
    model = made(data)
    Trainer(model, NARROW, balancer=Equal()).fit(data.train, data.valid)
    assert data.valid is not None
    batch = data.valid.batch(slice(0, 8))
    products: set[torch.dtype] = set()
    for name in model.tasks:
        model.tower_of(name).last.register_forward_hook(
            lambda *given: products.add(given[-1].dtype)
        )
    model.eval()
    with torch.no_grad():
        model(batch)
    assert products == {torch.float32}


def test_a_precision_that_is_none_and_kernels_without_it_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="`precision` is 'fp32' or 'bf16', got 'fp16'"):
        Training(precision="fp16")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="'compiled' has no kernels for `precision`"):
        Training(precision="bf16", engine="compiled")
