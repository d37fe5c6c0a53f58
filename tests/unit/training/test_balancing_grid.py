"""Every rule on every sharing structure; numbers of tasks and surfaces take turns in pairs."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from tests.unit.makers import Data, make_data, make_model, same_bits
from tests.unit.training.test_balancing import (
    FEW,
    FIVE,
    RULES,
    SETTINGS,
    Given,
    Troubled,
    Weights,
    step,
)
from torch.testing import assert_close

from plait.architectures import ARCHITECTURES, Architecture
from plait.balancing import Balancer, Equal, Fixed, Surface
from plait.balancing.cut import SURFACES
from plait.data.schema import Categorical
from plait.errors import ConfigurationError
from plait.models import MultiTaskModel
from plait.training import Callback, StepReport, Supervised, Trainer, Training
from plait.training.setup import expected_shares

PLACED = replace(FEW, features=(*FEW.features, Categorical("tab", min_count=1)), scenario="tab")
APART: dict[Surface, set[str]] = {
    "shared": {"SingleTask"},
    "parameters": {"SingleTask", "PPNet"},
}
"""Structures whose tasks share nothing at a surface."""
STEPS = int(os.environ.get("PLAIT_GRID_STEPS", "3"))
"""At least 3: a whole one, one without the last task, and one whose first loss is no number.

The tests at each commit take 3 for every rule on every structure; `make grid` takes 50.
"""
SHORT = replace(SETTINGS, max_steps=STEPS, evaluate_steps=STEPS)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return make_data(tmp_path_factory.mktemp("data"), FIVE, schema=PLACED, rows=120, valid_rows=40)


def turn(rule: str, kind: type[Architecture]) -> tuple[int, Surface]:
    """How many tasks, and which surface: every pair of any two of the four comes up."""
    place = list(RULES).index(rule) + ARCHITECTURES.index(kind)
    return (1, 2, 5)[place % 3], SURFACES[place % 4]


def fitted(
    data: Data,
    kind: type[Architecture],
    tasks: int,
    rule: Balancer,
    settings: Training = SHORT,
    callbacks: tuple[Callback, ...] = (),
    folder: Path | None = None,
) -> MultiTaskModel:
    model = make_model(
        data,
        tasks=data.tasks[:tasks],
        architecture=partial(kind, layers=(6, 6)),
        dropout=0.1,
        preference=rule.draws_preferences,
    )
    objective = Troubled(Supervised(expected_shares(model, data.train), key_l2=0.1))
    Trainer(
        model, settings, balancer=rule, objective=objective, callbacks=callbacks, folder=folder
    ).fit(data.train, data.valid if folder else None)
    return model


def test_every_pair_comes_up() -> None:
    turns = {(rule, kind): turn(rule, kind) for rule in RULES for kind in ARCHITECTURES}
    for at in (0, 1):
        size = (3, 4)[at]
        assert all(len({turns[r, k][at] for k in ARCHITECTURES}) == size for r in RULES)
        assert all(len({turns[r, k][at] for r in RULES}) == size for k in ARCHITECTURES)
    assert len(set(turns.values())) == 12


@pytest.mark.parametrize("name", RULES)
def test_case_57_every_rule_trains_on_every_structure(data: Data, name: str) -> None:
    for kind in ARCHITECTURES:
        tasks, surface = turn(name, kind)
        rule, weights = RULES[name](surface), Weights()
        if rule.needs_two_tasks and tasks == 1:
            with pytest.raises(ConfigurationError, match="and there is no other task"):
                fitted(data, kind, tasks, rule)
            continue
        nothing = rule.needs_gradients and kind.__name__ in APART.get(surface, ())
        if nothing and tasks > 1 and not rule.draws_preferences:
            with pytest.raises(ConfigurationError, match="so there is nothing to balance there"):
                fitted(data, kind, tasks, rule)
            rule = RULES[name]("tables")
        model = fitted(data, kind, tasks, rule, callbacks=(weights,))
        assert len(weights.seen) == STEPS
        assert all(math.isfinite(weight) for step in weights.seen for weight in step.values())
        assert all(bool(p.isfinite().all()) for p in model.parameters())
        last = list(model.tasks)[-1]
        without = [step for step, told in enumerate(weights.seen) if last not in told]
        missing = [n for n in range(STEPS) if n % 5 == 1 or (tasks == 1 and n % 7 == 2)]
        assert without == missing


def test_weights_of_one_and_nothing_are_a_single_task_below_the_tables(data: Data) -> None:
    """On every structure: what reaches the looked-up vectors is the gradient of the one task."""
    for kind in ARCHITECTURES:
        model = make_model(data, tasks=data.tasks[:2], architecture=partial(kind, layers=(6, 6)))
        single = step(model, data, Fixed(weights={"click": 1.0, "like": 0.0}))
        found = step(model, data, Given({"click": 1.0, "like": 0.0}, surface="tables"))
        unit = step(model, data, Given({"click": 1.0, "like": 1.0}, surface="tables"))
        plain = step(model, data, Equal())
        names = [name for name in found if name.startswith("tables")]
        assert names
        for name in names:
            assert_close(found[name], single[name], rtol=1e-5, atol=1e-8, msg=kind.__name__)
        assert set(unit) == set(plain)
        for name, gradient in plain.items():
            assert_close(unit[name], gradient, rtol=1e-5, atol=1e-8, msg=kind.__name__)


class KillError(Exception):
    """The process is gone."""


class Killer(Callback):
    """Ends the run in its middle."""

    def on_step(self, report: StepReport) -> None:
        if report.step == 5:
            raise KillError


@pytest.mark.parametrize("name", RULES)
def test_case_57_a_resumed_run_has_the_same_bits(data: Data, name: str, tmp_path: Path) -> None:
    """Each rule on a structure of its own, trouble and all."""
    kind = ARCHITECTURES[list(RULES).index(name) % len(ARCHITECTURES)]
    settings = replace(SHORT, max_steps=8, evaluate_steps=4, checkpoint_seconds=0.0)
    once, twice = tmp_path / "once", tmp_path / "twice"
    straight = fitted(data, kind, 3, RULES[name]("tables"), settings, folder=once)
    with pytest.raises(KillError):
        fitted(data, kind, 3, RULES[name]("tables"), settings, (Killer(),), twice)
    resumed = fitted(data, kind, 3, RULES[name]("tables"), settings, folder=twice)
    assert same_bits(dict(resumed.state_dict()), dict(straight.state_dict()))
