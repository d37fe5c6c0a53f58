from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from plait.errors import TaskError
from plait.heads import MulticlassHead, Rows, TargetFacts
from plait.tasks import Multiclass

TASK = Multiclass("answer", classes=("no", "maybe", "yes"))
WEIGHTED = Multiclass("answer", classes=("no", "maybe", "yes"), class_weights=(1.0, 2.0, 5.0))
LABELS = np.array([0.0, 0.0, 1.0, 2.0, 2.0, 2.0, 2.0, 2.0])


def test_loss_is_the_cross_entropy_by_hand() -> None:
    logits = torch.log(torch.tensor([[0.2, 0.3, 0.5], [0.2, 0.3, 0.5]]))
    loss = MulticlassHead(TASK).loss(logits, torch.tensor([2.0, 0.0]), Rows())
    assert_close(loss, torch.tensor([-math.log(0.5), -math.log(0.2)]))


def test_case_89_class_weights_are_those_of_the_task() -> None:
    logits = torch.log(torch.tensor([[0.2, 0.3, 0.5], [0.2, 0.3, 0.5]]))
    loss = MulticlassHead(WEIGHTED).loss(logits, torch.tensor([2.0, 1.0]), Rows())
    assert_close(loss, torch.tensor([-5 * math.log(0.5), -2 * math.log(0.3)]))


@pytest.mark.parametrize("task", [TASK, WEIGHTED])
def test_an_untrained_head_predicts_the_share_of_each_class(task: Multiclass) -> None:
    head = MulticlassHead(task)
    head.fit(TargetFacts(LABELS, np.ones(8)))
    prediction = head.predict(head.initial_bias().reshape(1, 3), Rows())
    assert_close(prediction, torch.tensor([[0.25, 0.125, 0.625]]))


def test_predict_undoes_the_class_weights_of_the_minimiser() -> None:
    shares = torch.tensor([0.25, 0.125, 0.625], dtype=torch.float64)
    head = MulticlassHead(WEIGHTED)
    logits = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([logits], max_iter=100, tolerance_grad=1e-10)

    def risk() -> torch.Tensor:
        optimiser.zero_grad()
        value = (shares * head.loss(logits.expand(3, -1), torch.arange(3.0), Rows())).sum()
        value.backward()
        return value

    optimiser.step(risk)
    assert_close(head.predict(logits.detach(), Rows())[0], shares, atol=1e-6, rtol=0)


def test_a_class_without_rows_keeps_a_finite_bias() -> None:
    head = MulticlassHead(TASK)
    head.fit(TargetFacts(np.array([0.0, 1.0]), np.ones(2)))
    assert head.initial_bias().isfinite().all()
    assert_close(head.base_rates.sum(), torch.tensor(1.0))


@pytest.mark.parametrize("label", [3.0, -1.0, 0.5])
def test_case_22_a_label_that_is_no_class_is_named(label: float) -> None:
    facts = TargetFacts(np.array([0.0, 1.0, label]), np.ones(3))
    message = rf"'answer' .* example {label:g}; expected a class from 0 to 2, .*'maybe'.* Add the"
    with pytest.raises(TaskError, match=message):
        MulticlassHead(TASK).fit(facts)


def test_a_task_without_classes_is_refused() -> None:
    with pytest.raises(TaskError, match=r"'answer' \(multiclass\) does not say its classes yet"):
        MulticlassHead(Multiclass("answer"))
