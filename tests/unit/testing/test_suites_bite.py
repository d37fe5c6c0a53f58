"""A suite that passes everything is worth nothing: each of these parts is broken in one way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from plait.architectures import Derived, Encoded, Link, Shared, SharedBottom, Widths
from plait.balancing import Cut, GradientBalancer, GradNorm
from plait.heads import Rows, TargetFacts
from plait.heads.binary import BinaryHead
from plait.metrics import AUC, Metric
from plait.tasks import Binary, Task
from plait.testing import (
    ArchitectureContract,
    GradientBalancerContract,
    HeadCase,
    HeadContract,
    LinkContract,
    MetricContract,
)


class _Bottom(SharedBottom):
    """What the broken ones below have in common: small, and named layers only."""

    def __init__(
        self, widths: Widths, tasks: Sequence[str], *, layers: Sequence[int] = (6, 4)
    ) -> None:
        super().__init__(widths, tasks, layers=layers, dropout=0)


class _LeavesAParameterOut(_Bottom):
    def __init__(self, widths: Widths, tasks: Sequence[str]) -> None:
        super().__init__(widths, tasks)
        self.unused = nn.Linear(3, 3)


class _MixesRows(_Bottom):
    def share(self, encoded: Encoded) -> Shared:
        return super().share(encoded._replace(main=encoded.main - encoded.main.mean(0)))


class _ReadsPastTheSurface(_Bottom):
    def share(self, encoded: Encoded) -> Shared:
        self.kept = encoded.main
        return super().share(encoded)

    def split(self, shared: Shared) -> dict[str, Tensor]:
        return {task: out + self.kept.mean() for task, out in super().split(shared).items()}


class _ForgetsASetting(_Bottom):
    def __init__(
        self, widths: Widths, tasks: Sequence[str], *, layers: Sequence[int] = (6, 4)
    ) -> None:
        super().__init__(widths, tasks, layers=layers)
        self.layers = (5, 5)


class _FixesThePrecision(_Bottom):
    def split(self, shared: Shared) -> dict[str, Tensor]:
        return {task: output.float() for task, output in super().split(shared).items()}


class _NeverLeavesTraining(_Bottom):
    def split(self, shared: Shared) -> dict[str, Tensor]:
        outputs = super().split(shared)
        return {task: nn.functional.dropout(output, 0.5) for task, output in outputs.items()}


class _NeedsTwoTasks(_Bottom):
    def split(self, shared: Shared) -> dict[str, Tensor]:
        return dict(list(super().split(shared).items())[: max(2, len(self.tasks) - 1)])


@pytest.mark.parametrize(
    ("broken", "test"),
    [
        (_LeavesAParameterOut, "test_gradients_reach_every_parameter"),
        (_MixesRows, "test_rows_do_not_see_each_other"),
        (
            _ReadsPastTheSurface,
            "test_cut_at_the_shared_surface_and_rejoined_gives_the_plain_gradient",
        ),
        (
            _ForgetsASetting,
            "test_settings_make_it_again_and_its_state_gives_the_same_bits",
        ),
        (_FixesThePrecision, "test_float64_stays_float64"),
        (_NeverLeavesTraining, "test_evaluation_gives_the_same_bits_twice"),
        (_NeedsTwoTasks, "test_one_two_and_five_tasks_get_a_representation_each"),
    ],
)
def test_a_broken_architecture_fails(broken: type[_Bottom], test: str) -> None:
    class Suite(ArchitectureContract):
        def make(self, tasks: Sequence[str]) -> _Bottom:
            return broken(Widths(main=12), tasks)

    with pytest.raises((AssertionError, RuntimeError)):
        getattr(Suite(), test)()


class _ChangesInPlace(Link):
    def connect(self, parameters: dict[str, Tensor]) -> dict[str, Tensor]:
        parameters["click"] = -parameters["click"]
        return parameters


class _PromisesTooMuch(Link):
    def derived(self) -> tuple[Derived, ...]:
        return (Derived("more", task="click", within="click"),)


@pytest.mark.parametrize(
    ("broken", "test"),
    [
        (_ChangesInPlace, "test_what_it_is_given_stays_as_it_was"),
        (_PromisesTooMuch, "test_every_task_and_derived_output_comes_out"),
    ],
)
def test_a_broken_link_fails(broken: type[Link], test: str) -> None:
    class Suite(LinkContract):
        def make(self) -> Link:
            return broken()

        def tasks(self) -> Mapping[str, Task]:
            return {"click": Binary("click"), "like": Binary("like")}

    with pytest.raises(AssertionError):
        getattr(Suite(), test)()


class _OneLossForAll(BinaryHead):
    def loss(self, parameters: Tensor, target: Tensor, rows: Rows) -> Tensor:
        return super().loss(parameters, target, rows).mean()


class _KeepsItsFitToItself(BinaryHead):
    def fit(self, facts: TargetFacts) -> None:
        super().fit(facts)
        self._rate = 0.1

    def initial_bias(self) -> Tensor:
        return torch.logit(torch.tensor([getattr(self, "_rate", 0.5)]))


@pytest.mark.parametrize(
    ("broken", "test"),
    [
        (_OneLossForAll, "test_each_row_has_a_loss_and_a_prediction"),
        (_KeepsItsFitToItself, "test_state_of_a_fitted_head_makes_a_new_one_the_same"),
    ],
)
def test_a_broken_head_fails(broken: type[BinaryHead], test: str) -> None:
    class Suite(HeadContract):
        def make(self) -> HeadCase:
            head = broken(Binary("click"))
            head.fit(TargetFacts(np.array([0.0, 1.0]), np.ones(2)))
            return HeadCase(head, torch.ones(2, 1), torch.tensor([0.0, 1.0]), Rows())

    with pytest.raises(AssertionError):
        getattr(Suite(), test)()


class _IgnoresWeights(AUC):
    def update(
        self,
        predictions: ArrayLike,
        targets: ArrayLike,
        *,
        weights: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> None:
        super().update(predictions, targets)


class _KeepsTheLastBatch(AUC):
    def update(
        self,
        predictions: ArrayLike,
        targets: ArrayLike,
        *,
        weights: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> None:
        self.reset()
        super().update(predictions, targets, weights=weights)


@pytest.mark.parametrize(
    ("broken", "test"),
    [
        (
            _IgnoresWeights,
            "test_weights_of_one_are_no_weights_and_rows_of_weight_zero_are_absent",
        ),
        (_KeepsTheLastBatch, "test_batches_do_not_matter"),
    ],
)
def test_a_broken_metric_fails(broken: type[AUC], test: str) -> None:
    class Suite(MetricContract):
        def make(self) -> Metric:
            return broken()

    with pytest.raises(AssertionError):
        getattr(Suite(), test)()


class _TellsOtherWeights(GradNorm):
    def backward(
        self, losses: Mapping[str, Tensor], penalty: Tensor | None, cut: Cut | None = None
    ) -> dict[str, float]:
        return {t: 2 * w for t, w in super().backward(losses, penalty, cut).items()}


class _ForgetsItsState(GradNorm):
    def state_dict(self) -> dict[str, object]:
        return {"weights": {}, "first": {}}


class _GoesOnWhereTheLastRunEnded(GradNorm):
    def prepare(self, facts: Mapping[str, object]) -> None:
        pass


@pytest.mark.parametrize(
    ("broken", "test"),
    [
        (_TellsOtherWeights, "test_the_gradient_follows_the_weights_that_it_tells"),
        (_ForgetsItsState, "test_its_state_goes_through_json"),
        (_GoesOnWhereTheLastRunEnded, "test_its_state_goes_through_json"),
    ],
)
def test_a_broken_gradient_balancer_fails(broken: type[GradNorm], test: str) -> None:
    class Suite(GradientBalancerContract):
        def make(self) -> GradientBalancer:
            return broken(surface="parameters", learning_rate=0.1)

    with pytest.raises(AssertionError):
        getattr(Suite(), test)()
