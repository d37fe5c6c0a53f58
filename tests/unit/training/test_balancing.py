"""Every rule on real models: masks, absent tasks, losses that are no numbers, resumed runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.unit.makers import (
    BINARY_TASKS,
    TASKS,
    Data,
    gradients,
    make_data,
    make_model,
    same_bits,
    whole,
)
from torch import Tensor
from torch.testing import assert_close

from plait.architectures import CGC, PLE, Chain, MMoE, OMoE, SharedBottom, SingleTask
from plait.balancing import (
    BALANCERS,
    DWA,
    FAMO,
    GLS,
    IMTLG,
    IMTLL,
    MGDA,
    PCD,
    RLW,
    STCH,
    UW,
    AlignedMTL,
    Balancer,
    BaseRate,
    CAGrad,
    DualProj,
    Equal,
    FairGrad,
    Fixed,
    GradientBalancer,
    GradNorm,
    MetaBalance,
    PCGrad,
    Rays,
    Surface,
    UPGrad,
)
from plait.balancing.cut import SURFACES
from plait.data.batch import Batch
from plait.data.schema import Categorical, Numeric, Schema
from plait.errors import ConfigurationError
from plait.methods import JointFeatures
from plait.models import ArchitectureFactory, MultiTaskModel, cut_at, cuttable
from plait.tasks import Binary, Task
from plait.training import Callback, Losses, Objective, StepReport, Supervised, Trainer, Training
from plait.training.setup import expected_shares, task_facts

STRUCTURES: list[ArchitectureFactory] = [
    partial(SharedBottom, layers=(8, 6), dropout=0.1),
    partial(MMoE, num_experts=2, layers=(8, 6), dropout=0.1),
    partial(OMoE, num_experts=2, layers=(8, 6), dropout=0.1),
    partial(CGC, shared_experts=1, task_experts=1, layers=(6,), dropout=0.1),
    partial(PLE, shared_experts=1, task_experts=1, layers=(6,), dropout=0.1),
    partial(SingleTask, layers=(8, 6), dropout=0.1),
]
FIVE: tuple[Task, ...] = tuple(
    t for t in TASKS if t.name in ["click", "like", "answer", "rating", "visits"]
)
RULES: dict[str, Callable[[Surface], Balancer]] = {
    "Equal": lambda _: Equal(),
    "BaseRate": lambda _: BaseRate(),
    "RLW": lambda _: RLW(),
    "UW": lambda _: UW(),
    "IMTLL": lambda _: IMTLL(),
    "GLS": lambda _: GLS(),
    "DWA": lambda _: DWA(window=4),
    "STCH": lambda _: STCH(warmup=4),
    "FAMO": lambda _: FAMO(),
    "GradNorm": lambda surface: GradNorm(surface=surface),
    "MGDA": lambda surface: MGDA(surface=surface),
    "PCGrad": lambda surface: PCGrad(surface=surface),
    "CAGrad": lambda surface: CAGrad(surface=surface),
    "IMTLG": lambda surface: IMTLG(surface=surface),
    "FairGrad": lambda surface: FairGrad(surface=surface),
    "AlignedMTL": lambda surface: AlignedMTL(surface=surface),
    "UPGrad": lambda surface: UPGrad(surface=surface),
    "DualProj": lambda surface: DualProj(surface=surface),
    "Rays": lambda surface: Rays(rule=UPGrad(surface=surface)),
    "MetaBalance": lambda surface: MetaBalance(target="click", surface=surface),
    "PCD": lambda surface: PCD(target="click", surface=surface),
}
SETTINGS = Training(
    epochs=30, max_steps=50, batch_size=24, evaluate_steps=50, average=0.0, patience=99
)


FEW = Schema(
    (
        Categorical("user_id", embedding_dim=4),
        Categorical("item_id", embedding_dim=4),
        Numeric("age", num_pieces=2, num_bins=0),
    ),
    user="user_id",
    item="item_id",
)


class Troubled(Objective):
    """Supervised losses, of which the last task is sometimes absent and the first no number."""

    def __init__(self, supervised: Supervised) -> None:
        self.supervised = supervised

    def losses(self, model: MultiTaskModel, batch: Batch, step: int) -> Losses:
        found = self.supervised.losses(model, batch, step)
        tasks = dict(found.tasks)
        if step % 5 == 1:
            tasks.pop(list(tasks)[-1])
        if step % 7 == 2 and tasks:
            first = next(iter(tasks))
            tasks[first] = tasks[first] * math.nan
        return found._replace(tasks=tasks)


class Weights(Callback):
    """Every weight that was in effect."""

    def __init__(self) -> None:
        self.seen: list[Mapping[str, float]] = []

    def on_step(self, report: StepReport) -> None:
        self.seen.append(report.weights)


class Given(GradientBalancer):
    """Weights by hand."""

    def __init__(self, weights: Mapping[str, float], *, surface: Surface) -> None:
        super().__init__(surface=surface)
        self.weights = weights

    def weigh(self, gramian: Tensor, losses: Mapping[str, float]) -> Tensor:
        return torch.tensor([self.weights[task] for task in losses], dtype=gramian.dtype)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return make_data(tmp_path_factory.mktemp("data"), FIVE, schema=FEW, rows=120, valid_rows=60)


def model_of(
    data: Data, tasks: int, structure: ArchitectureFactory, *, preference: bool = False
) -> MultiTaskModel:
    return make_model(
        data,
        tasks=data.tasks[:tasks],
        architecture=structure,
        dropout=0.1,
        preference=preference,
    )


def test_every_rule_is_here() -> None:
    assert {kind.__name__ for kind in BALANCERS} == {*RULES, "Fixed", "Weighted"}


@pytest.mark.parametrize("tasks", [1, 2, 5])
@pytest.mark.parametrize("name", RULES)
def test_case_57_every_rule_trains_through_trouble(data: Data, name: str, tasks: int) -> None:
    """50 steps for five tasks, fewer for fewer; structures and surfaces take turns."""
    turn = list(RULES).index(name) + 7 * tasks
    structure, surface = STRUCTURES[turn % 6], SURFACES[turn // 6 % 4]
    if structure is STRUCTURES[-1] and surface == "shared":
        surface = "tables"  # tasks of their own share nothing but tables
    if structure is STRUCTURES[-1] and surface == "parameters":
        surface = "encoded"
    rule = RULES[name](surface)
    if rule.needs_two_tasks and tasks == 1:
        with pytest.raises(ConfigurationError, match="and there is no other task"):
            Trainer(model_of(data, 1, structure), SETTINGS, balancer=rule).fit(data.train)
        return
    steps = {5: 50, 2: 20, 1: 8}[tasks]
    model = model_of(data, tasks, structure, preference=rule.draws_preferences)
    weights = Weights()
    supervised = Supervised(expected_shares(model, data.train), key_l2=0.1)
    trainer = Trainer(
        model,
        replace(SETTINGS, max_steps=steps),
        balancer=rule,
        objective=Troubled(supervised),
        callbacks=[weights],
    )
    history = trainer.fit(data.train, data.valid)
    assert len(weights.seen) == steps
    assert all(math.isfinite(weight) for step in weights.seen for weight in step.values())
    assert all(bool(p.isfinite().all()) for p in model.parameters())
    troubled = [step for step in range(2, steps, 7) if tasks > 1 or step % 5 != 1]
    assert history.skipped == {"click": len(troubled)}
    assert math.isfinite(history.evaluations[-1].mix)
    told = history.evaluations[-1].balance
    assert set(told["weights"]) <= set(model.tasks)
    if rule.needs_gradients and tasks == 5:
        assert set(told["norms"]) == set(model.tasks)
        assert all(-1 <= c <= 1 for row in told["cosines"].values() for c in row.values())
        assert all(0 <= c <= 1 for row in told["conflicts"].values() for c in row.values())
        assert told["groups"]
        assert all(0 <= share <= 1 for share in told["groups"].values())


WITH_STATE = (
    "RLW",
    "UW",
    "DWA",
    "STCH",
    "FAMO",
    "GradNorm",
    "PCGrad",
    "MetaBalance",
    "PCD",
    "Rays",
)


@pytest.mark.parametrize("name", [*WITH_STATE, "FairGrad"])
def test_a_resumed_run_has_the_bits_of_one_that_never_stopped(
    data: Data, name: str, tmp_path: Path
) -> None:
    class KillError(Exception):
        pass

    class Killer(Callback):
        def on_step(self, report: StepReport) -> None:
            if report.step == 7:
                raise KillError

    structure = STRUCTURES[1]
    settings = replace(SETTINGS, max_steps=11, evaluate_steps=4, checkpoint_seconds=0.0)
    rays = name == "Rays"
    straight = model_of(data, 3, structure, preference=rays)
    history = Trainer(straight, settings, balancer=RULES[name]("shared")).fit(
        data.train, data.valid
    )
    for callbacks in ([Killer()], []):
        model = model_of(data, 3, structure, preference=rays)
        trainer = Trainer(
            model,
            settings,
            balancer=RULES[name]("shared"),
            callbacks=callbacks,
            folder=tmp_path,
        )
        if callbacks:
            with pytest.raises(KillError):
                trainer.fit(data.train, data.valid)
        else:
            resumed = trainer.fit(data.train, data.valid)
    assert same_bits(dict(model.state_dict()), dict(straight.state_dict()))
    told = [[report.balance for report in run.evaluations] for run in (history, resumed)]
    assert told[0] == told[1]


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("structure", STRUCTURES)
def test_unit_weights_are_a_plain_backward_pass(
    data: Data, structure: ArchitectureFactory, surface: Surface
) -> None:
    if structure is STRUCTURES[-1] and surface in ("shared", "parameters"):
        pytest.skip("tasks of their own share nothing there; what is said is tested below")
    model = model_of(data, 5, structure)
    unit = Given(dict.fromkeys(model.tasks, 1.0), surface=surface)
    plain, found = (step(model, data, rule, key_l2=0.1) for rule in (Equal(), unit))
    assert set(found) == set(plain)
    for name, gradient in plain.items():
        assert_close(found[name], gradient, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("surface", SURFACES)
def test_unit_weights_are_a_plain_backward_pass_through_a_link(
    tmp_path: Path, surface: Surface
) -> None:
    data = make_data(tmp_path, (Binary("click"), Binary("buy", parents=("click",))))
    model = make_model(data, links=[Chain(parent="click", child="buy")])
    plain = step(model, data, Equal())
    found = step(model, data, Given(dict.fromkeys(model.tasks, 1.0), surface=surface))
    for name, gradient in plain.items():
        assert_close(found[name], gradient, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("surface", SURFACES)
def test_weights_are_those_of_the_gradients_by_brute_force(data: Data, surface: Surface) -> None:
    """Task by task, each a backward pass of its own through the whole model."""
    weights = {"click": 0.3, "like": 1.7}
    model = make_model(data, tasks=data.tasks[:2])
    alone = {
        task: step(model, data, Fixed(weights={t: float(t == task) for t in weights}))
        for task in weights
    }
    found = step(model, data, Given(weights, surface=surface))
    above = [name for name in found if name.startswith(("towers", "heads"))]
    below = [name for name in found if name.startswith("architecture")]
    assert above
    assert below
    for name in found:
        parts = {task: of[name] for task, of in alone.items() if name in of}
        plain, weighed = sum(parts.values()), sum(weights[t] * g for t, g in parts.items())
        if name in below:
            expected = plain if surface in ("tables", "encoded") else weighed
        elif name in above:
            expected = weighed if surface == "parameters" and ".biases." in name else plain
        else:
            continue  # the tables: see below
        assert_close(found[name], expected, rtol=1e-5, atol=1e-8)
    text = next(name for name in found if name.startswith("tables"))
    weighed = sum(weights[task] * of[text] for task, of in alone.items())
    assert_close(found[text], weighed, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("surface", SURFACES)
def test_weights_of_one_and_nothing_leave_the_shared_network_to_one_task(
    data: Data, surface: Surface
) -> None:
    model = make_model(data, tasks=data.tasks[:2])
    single = step(model, data, Fixed(weights={"click": 1.0, "like": 0.0}))
    found = step(model, data, Given({"click": 1.0, "like": 0.0}, surface=surface))
    below = "architecture" if surface in ("shared", "parameters") else "tables"
    names = [name for name in found if name.startswith(below)]
    assert names
    for name in names:
        assert_close(found[name], single[name], rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("surface", SURFACES)
def test_case_54_tables_keep_one_sparse_gradient(data: Data, surface: Surface) -> None:
    """As many rows as a plain step gathers, however many tasks there are."""
    sizes = []
    for rule in (Equal(), MGDA(surface=surface)):
        model = model_of(data, 5, STRUCTURES[1])
        step(model, data, rule)
        tables = list(model.tables.parameters())
        assert all(table.grad is not None and table.grad.is_sparse for table in tables)
        sizes.append([table.grad._nnz() for table in tables if table.grad is not None])
    assert sizes[0] == sizes[1]


@pytest.mark.parametrize("surface", SURFACES)
def test_gradients_of_half_as_many_bits_are_weighed_alike(data: Data, surface: Surface) -> None:
    """bfloat16 has eight bits of mantissa: the weights agree to about two digits."""
    model = model_of(data, 3, STRUCTURES[1]).eval()
    objective = Supervised(expected_shares(model, data.train))
    found = []
    for is_narrow in (False, True):
        model.zero_grad()
        rule = FairGrad(surface=surface)
        rule.prepare(task_facts(model, data.train))
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=is_narrow), cuttable(surface):
            losses = objective.losses(model, whole(data.train), 0)
        cut = cut_at(surface, model, losses.trace)
        found.append(list(rule.backward(losses.tasks, None, cut).values()))
        assert all(gradient.isfinite().all() for gradient in gradients(model).values())
    assert found[1] == pytest.approx(found[0], rel=0.05)


def test_the_compiled_engine_takes_gradients_at_a_surface_too(data: Data) -> None:
    found = []
    for engine in ("torch", "compiled"):
        settings = replace(SETTINGS, max_steps=6, engine=engine)
        model = make_model(data, tasks=data.tasks[:3], architecture=STRUCTURES[1])
        Trainer(model, settings, balancer=FairGrad()).fit(data.train)
        found.append(dict(model.state_dict()))
    for name, tensor in found[0].items():
        assert_close(found[1][name], tensor, rtol=1e-3, atol=1e-4)


def test_famo_looks_twice_at_the_same_draw(data: Data) -> None:
    class Looks(FAMO):
        def __init__(self) -> None:
            super().__init__(weight_decay=0.0)
            self.both: list[tuple[dict[str, float], dict[str, float]]] = []

        def after_step(self, losses: Mapping[str, float]) -> None:
            self.both.append(({k: v - 1e-8 for k, v in self._before.items()}, dict(losses)))
            super().after_step(losses)

    rule = Looks()
    still = replace(SETTINGS, max_steps=5, learning_rate=0.0, table_learning_rate=0.0)
    model = make_model(data, tasks=data.tasks[:2], dropout=0.5, id_dropout=0.5, unknown_rate=0.2)
    Trainer(model, still, balancer=rule).fit(data.train)
    assert len(rule.both) == 5
    for first, second in rule.both:
        assert second == pytest.approx(first, abs=1e-6)
    moving = make_model(data, tasks=data.tasks[:2], dropout=0.5)
    Trainer(moving, replace(SETTINGS, max_steps=5), balancer=rule).fit(data.train)
    assert all(first != pytest.approx(second, abs=1e-6) for first, second in rule.both[5:])


def test_what_shares_nothing_at_a_surface_is_told_so(data: Data) -> None:
    model = model_of(data, 2, STRUCTURES[-1])
    with pytest.raises(ConfigurationError, match=r"MGDA: at the surface 'shared' nothing is reach"):
        Trainer(model, SETTINGS, balancer=MGDA()).fit(data.train)


def test_joint_features_have_no_stage_to_cut_at_but_parameters(data: Data) -> None:
    method = JointFeatures(min_positives=0)

    def fit(rule: Balancer) -> Any:  # noqa: ANN401
        settings = replace(SETTINGS, max_steps=3)
        model = make_model(data, tasks=data.tasks[:2])
        return method.fit(model, data.train, data.valid, settings=settings, balancer=rule)

    message = r"FairGrad reads gradients at the surface 'shared', and JointFeatureObjective tells"
    with pytest.raises(ConfigurationError, match=message):
        fit(FairGrad())
    assert fit(FairGrad(surface="parameters")).evaluations[-1].balance["norms"]


def test_one_balancer_for_two_runs_starts_the_second_anew(data: Data) -> None:
    rule = GradNorm(learning_rate=0.2)
    found = []
    for _ in range(2):
        model = model_of(data, 3, STRUCTURES[0])
        Trainer(model, replace(SETTINGS, max_steps=9), balancer=rule).fit(data.train)
        found.append(dict(model.state_dict()))
    assert same_bits(found[0], found[1])


def step(
    model: MultiTaskModel, data: Data, rule: Balancer, *, key_l2: float = 0.0
) -> dict[str, Tensor]:
    """Gradients of one step on all rows, as the trainer makes them; the same draw every time."""
    model.zero_grad()
    model.train()
    objective = Supervised(expected_shares(model, data.train), key_l2=key_l2)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        with cuttable(rule.surface):
            losses = objective.losses(model, whole(data.train), 0)
    cut = None if rule.surface is None else cut_at(rule.surface, model, losses.trace)
    rule.prepare(task_facts(model, data.train))
    rule.backward(losses.tasks, losses.penalty, cut)
    return gradients(model)


def test_the_two_binary_tasks_come_first() -> None:
    assert FIVE[:2] == BINARY_TASKS
