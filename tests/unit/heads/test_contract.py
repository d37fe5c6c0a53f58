"""What every head promises, whatever its kind."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.unit.heads.examples import TASKS, example_of, facts_of
from torch import Tensor, nn
from torch.testing import assert_close

from plait.errors import TaskError
from plait.heads import Head, Rows, TargetFacts, head_for
from plait.tasks import Multiclass, Task
from plait.testing import HeadCase, HeadContract

every_head = pytest.mark.parametrize("name", sorted(TASKS))


@every_head
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_loss_has_one_finite_value_a_row_in_the_dtype_of_the_parameters(
    name: str, dtype: torch.dtype
) -> None:
    example = example_of(name)
    parameters = example.parameters().to(dtype)
    loss = example.head.loss(parameters, example.target.to(dtype), example.rows)
    prediction = example.head.predict(parameters, example.rows)
    assert loss.shape == example.target.shape
    assert prediction.shape[0] == len(example.target)
    assert prediction.dim() == (2 if isinstance(example.head.task, Multiclass) else 1)
    assert loss.dtype == prediction.dtype == dtype
    assert loss.isfinite().all()
    assert prediction.isfinite().all()


@every_head
def test_parameters_of_half_precision_give_a_finite_loss_and_prediction(name: str) -> None:
    example = example_of(name)
    parameters = example.parameters().bfloat16()
    assert example.head.loss(parameters, example.target, example.rows).isfinite().all()
    assert example.head.predict(parameters, example.rows).isfinite().all()


@every_head
@pytest.mark.parametrize("fill", [-100.0, 100.0])
def test_case_79_extreme_logits_keep_loss_and_gradient_finite(name: str, fill: float) -> None:
    example = example_of(name)
    parameters = example.parameters(fill).requires_grad_()
    loss = example.head.loss(parameters, example.target, example.rows)
    (gradient,) = torch.autograd.grad(loss.sum(), parameters)
    assert loss.isfinite().all()
    assert gradient.isfinite().all()
    assert example.head.predict(parameters, example.rows).isfinite().all()


@every_head
def test_gradients_reach_the_parameters(name: str) -> None:
    example = example_of(name)
    parameters = example.parameters().requires_grad_()
    loss = example.head.loss(parameters, example.target, example.rows)
    (gradient,) = torch.autograd.grad(loss.sum(), parameters)
    assert (gradient != 0).any(dim=0).all()


@every_head
def test_unobserved_rows_keep_the_loss_finite_whatever_their_columns_hold(name: str) -> None:
    example = example_of(name)
    observed = torch.arange(len(example.target)) % 3 > 0
    extras = {
        key: torch.where(observed, column, torch.nan) for key, column in example.rows.extras.items()
    }
    rows = example.rows._replace(observed=observed, extras=extras)
    loss = example.head.loss(example.parameters(), torch.where(observed, example.target, 0.0), rows)
    assert loss.isfinite().all()


@every_head
def test_the_order_of_rows_does_not_matter(name: str) -> None:
    example = example_of(name)
    order = torch.randperm(len(example.target), generator=torch.Generator().manual_seed(3))
    assert example.rows.groups is not None
    shuffled = Rows(
        extras={key: column[order] for key, column in example.rows.extras.items()},
        groups=example.rows.groups[order],
    )
    parameters = example.parameters()
    loss = example.head.loss(parameters, example.target, example.rows)
    again = example.head.loss(parameters[order], example.target[order], shuffled)
    assert_close(again, loss[order])
    prediction = example.head.predict(parameters, example.rows)
    assert_close(example.head.predict(parameters[order], shuffled), prediction[order])


@every_head
def test_state_loads_into_a_fresh_head(name: str) -> None:
    example = example_of(name)
    fresh = head_for(TASKS[name])
    fresh.load_state_dict(example.head.state_dict())
    parameters = example.parameters()
    for one, other in (
        (fresh.initial_bias(), example.head.initial_bias()),
        (
            fresh.predict(parameters, example.rows),
            example.head.predict(parameters, example.rows),
        ),
        (
            fresh.loss(parameters, example.target, example.rows),
            example.head.loss(parameters, example.target, example.rows),
        ),
    ):
        assert torch.equal(one, other)


@every_head
def test_a_head_holds_no_weights_and_fits_twice_alike(name: str) -> None:
    example = example_of(name)
    before = {key: value.clone() for key, value in example.head.state_dict().items()}
    example.head.fit(example.facts)
    assert not list(example.head.parameters())
    for key, value in example.head.state_dict().items():
        assert torch.equal(value, before[key])


@every_head
def test_case_86_a_weight_of_two_is_a_row_that_stands_twice(name: str) -> None:
    facts = facts_of(name)
    repeats = facts.weights.astype(np.int64)
    extras = {key: np.repeat(column, repeats) for key, column in facts.extras.items()}
    repeated = np.repeat(facts.targets, repeats)
    weighted, unweighted = head_for(TASKS[name]), head_for(TASKS[name])
    weighted.fit(facts)
    unweighted.fit(TargetFacts(repeated, np.ones_like(repeated), extras))
    for key, value in weighted.state_dict().items():
        assert_close(value, unweighted.state_dict()[key])


@every_head
def test_initial_bias_fits_the_parameters(name: str) -> None:
    example = example_of(name)
    bias = example.head.initial_bias()
    assert bias.shape == (example.head.out_features,)
    assert bias.isfinite().all()


@pytest.mark.parametrize("name", sorted(set(TASKS) - {"multiclass", "d2q", "listwise", "bpr"}))
def test_initial_bias_predicts_the_mean_label(name: str) -> None:
    example = example_of(name)
    bias = example.head.initial_bias().expand(len(example.target), -1)
    prediction = example.head.predict(bias, example.rows).double()
    targets = torch.from_numpy(example.facts.targets)
    weights = torch.from_numpy(example.facts.weights)
    if name == "huber":  # its labels are cut at a quantile
        targets = torch.minimum(targets, example.head.get_buffer("ceiling"))
    assert_close((weights * prediction).sum(), (weights * targets).sum(), rtol=1e-5, atol=1e-5)


class _Predictor(nn.Module):
    def __init__(self, head: Head) -> None:
        super().__init__()
        self.head = head

    def forward(self, parameters: Tensor, column: Tensor) -> Tensor:
        rows = Rows(extras={"duration": column, "exposure": column})
        return self.head.predict(parameters, rows)


@every_head
def test_predict_exports_with_any_number_of_rows(name: str) -> None:
    example = example_of(name)
    parameters, column = example.parameters(), example.rows.extras["duration"]
    rows = torch.export.Dim("rows")
    program = torch.export.export(
        _Predictor(example.head), (parameters, column), dynamic_shapes=({0: rows}, {0: rows})
    )
    got = program.module()(parameters[:5], column[:5])
    fewer = Rows(extras={"duration": column[:5], "exposure": column[:5]})
    assert_close(got, example.head.predict(parameters[:5], fewer))


@every_head
def test_predict_stays_on_the_device_of_its_inputs(name: str) -> None:
    example = example_of(name)
    extras = {key: column.to("meta") for key, column in example.rows.extras.items()}
    head = example.head.to("meta")
    assert head.predict(example.parameters().to("meta"), Rows(extras=extras)).device.type == "meta"


@every_head
def test_no_label_at_all_is_refused(name: str) -> None:
    facts = TargetFacts(
        np.empty(0), np.empty(0), {"exposure": np.empty(0), "duration": np.empty(0)}
    )
    with pytest.raises(TaskError, match="has no observed label: every one is null or outside"):
        head_for(TASKS[name]).fit(facts)


@every_head
def test_labels_that_are_all_zero_are_refused(name: str) -> None:
    facts = facts_of(name)
    with pytest.raises(TaskError, match=r"all 60 training rows .* the same label, 0, so that"):
        head_for(TASKS[name]).fit(TargetFacts(0 * facts.targets, facts.weights, facts.extras))


@every_head
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_labels_that_are_not_finite_are_refused(name: str, bad: float) -> None:
    facts = facts_of(name)
    targets = facts.targets.copy()
    targets[[3, 5]] = bad
    with pytest.raises(TaskError, match=rf"2 of 60 rows hold a bad label, for example {bad}"):
        head_for(TASKS[name]).fit(TargetFacts(targets, facts.weights, facts.extras))


def test_a_task_of_another_kind_has_no_head() -> None:
    with pytest.raises(TaskError, match="'mood' is a Task, which has no head"):
        head_for(Task("mood"))


def case_of(name: str) -> HeadCase:
    example = example_of(name)
    return HeadCase(example.head, example.parameters(), example.target, example.rows)


class TestBinaryHead(HeadContract):
    def make(self) -> HeadCase:
        return case_of("binary")


class TestWeightedBinaryHead(HeadContract):
    def make(self) -> HeadCase:
        return case_of("weighted")


class TestFocalBinaryHead(HeadContract):
    def make(self) -> HeadCase:
        return case_of("focal")


class TestMulticlassHead(HeadContract):
    def make(self) -> HeadCase:
        return case_of("multiclass")


class TestRegressionHead(HeadContract):
    def make(self) -> HeadCase:
        return case_of("regression")


class TestLogarithmicRegressionHead(HeadContract):
    def make(self) -> HeadCase:
        return case_of("log1p")


class TestCountHead(HeadContract):
    def make(self) -> HeadCase:
        return case_of("count")


class TestExposedCountHead(HeadContract):
    def make(self) -> HeadCase:
        return case_of("exposure")


class TestValueHead(HeadContract):
    def make(self) -> HeadCase:
        return case_of("value")


class TestCREADHead(HeadContract):
    def make(self) -> HeadCase:
        return case_of("cread")


class TestD2QHead(HeadContract):
    def make(self) -> HeadCase:
        return case_of("d2q")


class TestWLRHead(HeadContract):
    def make(self) -> HeadCase:
        return case_of("wlr")


class TestListwiseHead(HeadContract):
    def make(self) -> HeadCase:
        return case_of("listwise")


class TestBPRHead(HeadContract):
    def make(self) -> HeadCase:
        return case_of("bpr")
