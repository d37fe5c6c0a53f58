"""A layer that reads its input in two parts gives what the whole input gives."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from plait.modules import MLP, ExpertBank, PartlyLearnt, SoftmaxGate, affine, partly_learnt, whole


@given(
    rows=st.integers(1, 5),
    learnt=st.integers(1, 6),
    known=st.integers(1, 9),
    biases=st.sampled_from([0, 1]),
)
def test_both_forms_agree_in_value_and_gradient(
    rows: int, learnt: int, known: int, biases: int
) -> None:
    torch.manual_seed(rows + learnt + known)
    leaves = [
        torch.randn(rows, learnt + known, dtype=torch.float64),
        torch.randn(3, learnt + known, dtype=torch.float64),
        torch.randn(3, dtype=torch.float64),
    ]
    found = []
    for split in (False, True):
        inputs, weight, offset = (leaf.clone().requires_grad_() for leaf in leaves)
        read = PartlyLearnt(inputs[:, :learnt], inputs[:, learnt:].detach()) if split else inputs
        output = affine(read, weight, offset if biases else None)
        output.square().sum().backward()
        assert inputs.grad is not None
        found.append((output.detach(), inputs.grad[:, :learnt], weight.grad, offset.grad))
    for one, other in zip(*found, strict=True):
        if one is not None:
            assert_close(one, other)


def test_known_columns_get_no_gradient_and_twice_differentiating_works() -> None:
    inputs = torch.randn(4, 6, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(2, 6, dtype=torch.float64, requires_grad=True)
    read = partly_learnt(inputs, 2)
    assert isinstance(read, PartlyLearnt)
    assert torch.equal(whole(read), inputs)
    loss = affine(read, weight, None).tanh().square().sum()
    (first,) = torch.autograd.grad(loss, inputs, create_graph=True)
    assert not first[:, 2:].any()
    first.square().sum().backward()
    plain = torch.nn.functional.linear(inputs, weight).tanh().square().sum()
    (expected,) = torch.autograd.grad(plain, inputs, create_graph=True)
    (wanted,) = torch.autograd.grad(expected[:, :2].square().sum(), weight)
    assert weight.grad is not None
    assert_close(weight.grad, wanted)


@pytest.mark.parametrize(
    ("learnt", "form"),
    [(None, Tensor), (8, Tensor), (7, Tensor), (6, PartlyLearnt), (1, PartlyLearnt)],
)
def test_it_is_parted_where_a_quarter_or_more_is_known(learnt: int | None, form: type) -> None:
    inputs = torch.zeros(2, 8, requires_grad=True)
    assert isinstance(partly_learnt(inputs, learnt), form)


def test_without_gradients_it_stays_whole() -> None:
    inputs = torch.zeros(2, 8)
    assert partly_learnt(inputs, 1) is inputs


@pytest.mark.parametrize("module", [MLP(6, (4, 3)), ExpertBank(6, 2, (4, 3)), SoftmaxGate(6, 2)])
def test_modules_read_both_forms(module: torch.nn.Module) -> None:
    inputs = torch.randn(5, 6, requires_grad=True)
    read = partly_learnt(inputs, 2)
    assert isinstance(read, PartlyLearnt)
    assert_close(module(read), module(inputs))


@pytest.mark.parametrize("module", [MLP(6, ()), ExpertBank(6, 2, ())])
def test_no_layer_gives_the_whole_input_back(module: torch.nn.Module) -> None:
    inputs = torch.randn(5, 6, requires_grad=True)
    read = partly_learnt(inputs, 2)
    found = module(read)
    for output in found if isinstance(found, tuple) else (found,):
        assert torch.equal(output, inputs)
