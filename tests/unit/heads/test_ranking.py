from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from plait.errors import TaskError
from plait.heads import BPRHead, ListwiseHead, Rows, TargetFacts
from plait.tasks import Ranking

LISTWISE, BPR = ListwiseHead(Ranking("order")), BPRHead(Ranking("order", form="bpr"))

batches = st.lists(
    st.tuples(
        st.floats(-5, 5, width=32),
        st.integers(0, 3),
        st.integers(-2, 3),
        st.booleans(),
    ),
    max_size=25,
)
Batch = list[tuple[float, int, int, bool]]


def listwise_by_loops(batch: Batch) -> list[float]:
    losses = []
    for score, label, group, seen in batch:
        members = [row for row in batch if row[2] == group and row[3]]
        total = sum(row[1] for row in members)
        if not seen or not total:
            losses.append(0.0)
            continue
        chance = math.exp(score) / sum(math.exp(row[0]) for row in members)
        losses.append(-label / total * math.log(chance))
    return losses


def bpr_by_loops(batch: Batch) -> list[float]:
    losses = []
    for score, label, group, seen in batch:
        pairs = [
            math.log1p(math.exp(other[0] - score))
            for other in batch
            if seen and other[3] and other[2] == group and label > other[1]
        ]
        losses.append(sum(pairs) / len(pairs) if pairs else 0.0)
    return losses


def loss_of(head: ListwiseHead | BPRHead, batch: Batch) -> torch.Tensor:
    score, label, group, seen = zip(*batch, strict=True) if batch else ((), (), (), ())
    rows = Rows(
        observed=torch.tensor(seen, dtype=torch.bool),
        groups=torch.tensor(group, dtype=torch.int64) * 10**12,
    )
    parameters = torch.tensor(score, dtype=torch.float64).reshape(-1, 1)
    return head.loss(parameters, torch.tensor(label, dtype=torch.float64), rows)


@given(batches)
def test_listwise_loss_equals_loops_over_rows(batch: Batch) -> None:
    expected = torch.tensor(listwise_by_loops(batch), dtype=torch.float64)
    assert_close(loss_of(LISTWISE, batch), expected)


@given(batches)
def test_bpr_loss_equals_loops_over_pairs(batch: Batch) -> None:
    expected = torch.tensor(bpr_by_loops(batch), dtype=torch.float64)
    assert_close(loss_of(BPR, batch), expected)


@pytest.mark.parametrize("head", [LISTWISE, BPR])
def test_a_constant_on_every_score_of_a_request_changes_nothing(
    head: ListwiseHead | BPRHead,
) -> None:
    batch = [(0.3, 1, 0, True), (-1.0, 0, 0, True), (2.0, 0, 1, True), (0.5, 2, 1, True)]
    shifted = [(score + 50 * group, label, group, seen) for score, label, group, seen in batch]
    assert_close(loss_of(head, shifted), loss_of(head, batch))


def test_listwise_by_hand_with_graded_labels() -> None:
    batch = [(0.0, 3, 0, True), (0.0, 1, 0, True), (0.0, 0, 0, True), (0.0, 0, 0, True)]
    quarter = math.log(4.0) / 4
    expected = torch.tensor([3 * quarter, quarter, 0.0, 0.0], dtype=torch.float64)
    assert_close(loss_of(LISTWISE, batch), expected)


@pytest.mark.parametrize("head", [LISTWISE, BPR])
def test_a_request_without_a_positive_moves_nothing(head: ListwiseHead | BPRHead) -> None:
    parameters = torch.tensor([[0.5], [1.0]], requires_grad=True)
    loss = head.loss(parameters, torch.zeros(2), Rows(groups=torch.zeros(2, dtype=torch.int64)))
    (gradient,) = torch.autograd.grad(loss.sum(), parameters)
    assert loss.tolist() == [0.0, 0.0]
    assert gradient.tolist() == [[0.0], [0.0]]


@pytest.mark.parametrize("head", [LISTWISE, BPR])
def test_unobserved_rows_take_no_part(head: ListwiseHead | BPRHead) -> None:
    parameters = torch.tensor([[0.5], [1.0], [9.0]], requires_grad=True)
    rows = Rows(
        observed=torch.tensor([True, True, False]), groups=torch.zeros(3, dtype=torch.int64)
    )
    loss = head.loss(parameters, torch.tensor([1.0, 0.0, 1.0]), rows)
    (gradient,) = torch.autograd.grad(loss.sum(), parameters)
    assert loss[0].item() == pytest.approx(math.log1p(math.exp(0.5)), rel=1e-5)
    assert loss[2] == 0
    assert gradient[2] == 0


@pytest.mark.parametrize("head", [LISTWISE, BPR])
def test_gradient_agrees_with_differences(head: ListwiseHead | BPRHead) -> None:
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(9, 1, generator=generator, dtype=torch.float64, requires_grad=True)
    target = torch.tensor([0, 1, 2, 0, 0, 1, 1, 1, 0], dtype=torch.float64)
    rows = Rows(groups=torch.tensor([5, 5, 5, 5, 2, 2, 8, 8, 1]))
    assert torch.autograd.gradcheck(lambda given: head.loss(given, target, rows), scores)


@pytest.mark.parametrize("head", [LISTWISE, BPR])
def test_the_prediction_is_the_score(head: ListwiseHead | BPRHead) -> None:
    assert head.predict(torch.tensor([[-2.0], [7.0]]), Rows()).tolist() == [-2.0, 7.0]
    assert head.initial_bias().tolist() == [0.0]


@pytest.mark.parametrize("head", [LISTWISE, BPR])
def test_rows_without_requests_are_refused(head: ListwiseHead | BPRHead) -> None:
    with pytest.raises(TaskError, match=r"'order' \(ranking\) .* Give a column the role 'request'"):
        head.loss(torch.zeros(2, 1), torch.zeros(2), Rows())


def test_a_negative_label_has_no_share_in_a_list_but_an_order_among_pairs() -> None:
    facts = TargetFacts(np.array([-1.0, 0.0, 1.0]), np.ones(3))
    BPR.fit(facts)
    with pytest.raises(TaskError, match=r"for example -1; expected a finite number, not negative"):
        LISTWISE.fit(facts)
