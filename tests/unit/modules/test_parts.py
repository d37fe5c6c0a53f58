"""Inputs that are not written out give what their columns give, in value and gradient."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from plait.modules import (
    MLP,
    ExpertBank,
    PartlyLearnt,
    Pieces,
    ShortRows,
    SoftmaxGate,
    affine,
    affine_apart,
    affine_each,
    compiled_blocks,
    whole,
)
from plait.modules.kernels import TOGETHER
from plait.modules.parts import encoded


def numbers_in(counts: list[int], rows: int, generator: torch.Generator) -> Pieces:
    """Numbers at edges, between them, beyond the last one, and missing."""
    shape = rows, len(counts)
    position = torch.rand(shape, generator=generator) * (torch.tensor(counts) + 1)
    at_edge = torch.rand(shape, generator=generator) < 0.3
    position = torch.where(at_edge, position.floor(), position)
    missing = torch.rand(shape, generator=generator) < 0.2
    value = torch.randn(shape, generator=generator)
    columns = [value.masked_fill(missing, 0), position.masked_fill(missing, 0), missing.float()]
    return Pieces.of(torch.stack(columns, dim=2).flatten(1), counts)


def rows_of_tables(
    sizes: list[int], dim: int, learnt: int, rows: int, generator: torch.Generator
) -> ShortRows:
    """As many vectors of each column; the columns stand here and there among the learnt ones."""
    ends = torch.tensor(sizes).cumsum(0)
    places = [
        torch.randint(int(end) - size, int(end), (rows, 1), generator=generator)
        for size, end in zip(sizes, ends, strict=True)
    ]
    order = torch.randperm(learnt + dim * len(sizes), generator=generator)
    return ShortRows(
        torch.randn(int(ends[-1]), dim, generator=generator),
        torch.cat(places, dim=1).int(),
        ends,
        order[learnt:],
        order[:learnt],
    )


def some(
    counts: list[int], sizes: list[int], *, rows: int = 6, learnt: int = 3, known: int = 0
) -> PartlyLearnt:
    generator = torch.Generator().manual_seed(sum(counts) + rows + learnt)
    return PartlyLearnt(
        torch.randn(rows, learnt, generator=generator),
        torch.randn(rows, known, generator=generator),
        numbers_in(counts, rows, generator) if counts else None,
        rows_of_tables(sizes, 2, learnt, rows, generator) if sizes else None,
    )


def with_leaves(read: PartlyLearnt) -> tuple[PartlyLearnt, list[Tensor]]:
    """The same input, and those of its tensors that have gradients."""
    learnt = read.learnt.clone().requires_grad_()
    if read.short is None:
        return read._replace(learnt=learnt), [learnt]
    vectors = read.short.vectors.clone().requires_grad_()
    return read._replace(learnt=learnt, short=read.short._replace(vectors=vectors)), [
        learnt,
        vectors,
    ]


def test_an_encoding_is_the_quantile_what_is_missing_and_filled_pieces() -> None:
    numbers = torch.tensor([[0.5, 2.25, 0.0, 0.0, 0.0, 1.0], [-1.0, 3.0, 0.0, 0.1, 1.0, 0.0]])
    expected = [
        [0.5, 0.0, 1.0, 1.0, 0.25, 0.0, 1.0, 0.0],
        [-1.0, 0.0, 1.0, 1.0, 1.0, 0.1, 0.0, 1.0],
    ]
    pieces = Pieces.of(numbers, (3, 1))
    assert pieces.width == 8
    assert_close(pieces.written_out(), torch.tensor(expected))
    assert_close(encoded(numbers.view(2, 2, 3)[:, :1], 3), torch.tensor(expected)[:, :5])


def test_written_out_each_column_stands_in_its_place() -> None:
    short = ShortRows(
        torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]),
        torch.tensor([[1, 2], [0, 2]], dtype=torch.int32),
        torch.tensor([2, 3]),
        columns=torch.tensor([0, 1, 3, 4]),
        others=torch.tensor([2]),
    )
    read = PartlyLearnt(torch.tensor([[7.0], [8.0]]), torch.tensor([[9.0], [10.0]]), short=short)
    expected = [[3.0, 4.0, 7.0, 5.0, 6.0, 9.0], [1.0, 2.0, 8.0, 5.0, 6.0, 10.0]]
    assert torch.equal(whole(read), torch.tensor(expected))


@given(
    counts=st.lists(st.integers(0, 6), max_size=3),
    sizes=st.lists(st.integers(1, 3), max_size=6),
    rows=st.integers(1, 5),
    blocks=st.integers(1, 3),
    width=st.sampled_from([1, 4, TOGETHER, TOGETHER + 3]),
    learnt=st.integers(0, 2),
    known=st.integers(0, 2),
)
def test_sums_of_rows_are_products_with_the_columns(
    counts: list[int],
    sizes: list[int],
    rows: int,
    blocks: int,
    width: int,
    learnt: int,
    known: int,
) -> None:
    read = some(counts, sizes, rows=rows, learnt=learnt, known=known)
    generator = torch.Generator().manual_seed(width)
    start = torch.randn(blocks, width, sum(read.widths), generator=generator)
    offset = torch.randn(blocks, width, generator=generator)
    pull = torch.randn(blocks, rows, width, generator=generator)
    found = []
    for compiled in (True, False):
        weights, biases = start.clone().requires_grad_(), offset.clone().requires_grad_()
        each, leaves = with_leaves(read)
        with compiled_blocks(allowed=compiled):
            outputs = affine_each(each if compiled else whole(each), weights, biases)
        gradients = torch.autograd.grad(outputs, [weights, biases, *leaves], list(pull))
        found.append((*outputs, *gradients))
    for one, other in zip(*found, strict=True):
        assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_the_compiled_form_can_be_differentiated_twice() -> None:
    read = some([3, 0, 5], [2, 3], known=1)
    start = torch.randn(2, sum(read.widths), 4)
    found = []
    for compiled in (True, False):
        weights, biases = start.clone().requires_grad_(), torch.zeros(2, 4, requires_grad=True)
        each, leaves = with_leaves(read)
        with compiled_blocks(allowed=compiled):  # of a view that is not contiguous
            outputs = affine_each(each, weights.transpose(1, 2), biases)
            loss = torch.stack(outputs).tanh().sum()
        inputs = [weights, biases, *leaves]
        first = torch.autograd.grad(loss, inputs, create_graph=True)
        second = torch.autograd.grad(torch.stack([g.square().sum() for g in first]).sum(), inputs)
        found.append((*first, *second))
    for one, other in zip(*found, strict=True):
        assert_close(one, other, atol=1e-5, rtol=1e-4)


@given(
    counts=st.lists(st.integers(0, 6), max_size=3),
    sizes=st.lists(st.integers(1, 3), max_size=4),
    widths=st.lists(st.integers(1, 5), min_size=2, max_size=4),
    known=st.integers(0, 2),
    engine=st.sampled_from(["torch", "compiled"]),
    asked=st.integers(1, 3),
)
def test_layers_apart_give_what_each_gives_and_reach_their_own_weights_alone(
    counts: list[int], sizes: list[int], widths: list[int], known: int, engine: str, asked: int
) -> None:
    read, compiled = some(counts, sizes, learnt=2, known=known), engine == "compiled"
    read = read if compiled else PartlyLearnt(whole(read), read.known[:, :0])
    generator = torch.Generator().manual_seed(sum(widths))
    starts = [torch.randn(width, sum(read.widths), generator=generator) for width in widths]
    pulls = [torch.randn(6, width, generator=generator) for width in widths]
    asked = min(asked, len(widths))  # so many of the outputs are in the loss
    found = []
    for together in (True, False):
        weights = [start.clone().requires_grad_() for start in starts]
        each, leaves = with_leaves(read)
        with compiled_blocks(allowed=compiled):
            outputs = (
                affine_apart(each, weights)
                if together
                else [affine(whole(each), weight, None) for weight in weights]
            )
        gradients = torch.autograd.grad(
            outputs[:asked], [*leaves, *weights], pulls[:asked], allow_unused=True
        )
        unread = [gradient is None for gradient in gradients[len(leaves) :]]
        assert unread == [number >= asked for number in range(len(widths))]
        found.append((*outputs, *(one for one in gradients if one is not None)))
    for one, other in zip(*found, strict=True):
        assert_close(one, other, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("form", ["whole", "in two parts", "looked up"])
def test_layers_apart_can_be_differentiated_twice(form: str) -> None:
    read = some([3, 5], [2, 3], known=1) if form == "looked up" else some([], [], known=2)
    starts = [torch.randn(2, sum(read.widths)) for _ in range(3)]
    found = []
    for together in (True, False):
        weights = [start.clone().requires_grad_() for start in starts]
        each, leaves = with_leaves(read)
        given = whole(each) if form == "whole" else each
        with compiled_blocks(allowed=True):
            outputs = (
                affine_apart(given, weights)
                if together
                else [affine(whole(each), weight, None) for weight in weights]
            )
            loss = outputs[0].tanh().sum() + outputs[2].exp().sum()  # not of the second
        inputs = [*leaves, weights[0], weights[2]]
        first = torch.autograd.grad(loss, inputs, create_graph=True)
        second = torch.autograd.grad(torch.stack([g.square().sum() for g in first]).sum(), inputs)
        found.append((*first, *second))
    for one, other in zip(*found, strict=True):
        assert_close(one, other, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("make", [MLP, ExpertBank, SoftmaxGate])
@pytest.mark.parametrize("known", [0, 2])
@pytest.mark.parametrize("engine", ["torch", "compiled"])
def test_layers_read_parts_as_they_read_all_columns(
    make: type[MLP | ExpertBank | SoftmaxGate], known: int, engine: str
) -> None:
    torch.manual_seed(0)
    read = some([4, 0, 7], [3, 1, 2], known=known)
    width = sum(read.widths)
    layer = {
        MLP: lambda: MLP(width, (5, 4)),
        ExpertBank: lambda: ExpertBank(width, 3, (5, 4)),
        SoftmaxGate: lambda: SoftmaxGate(width, 3),
    }[make]()
    found = []
    for written_out in (True, False):
        each, leaves = with_leaves(read)
        with compiled_blocks(allowed=engine == "compiled"):
            outputs = layer(whole(each) if written_out else each)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        loss = torch.stack([(output * (n + 1)).tanh().sum() for n, output in enumerate(outputs)])
        gradients = torch.autograd.grad(loss.sum(), [*leaves, *layer.parameters()])
        found.append((*outputs, *gradients))
    for one, other in zip(*found, strict=True):
        assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_any_number_of_threads_gives_the_same_bits() -> None:
    read = some([5, 0, 3, 9], [4, 1, 3], rows=50)
    start = torch.randn(3, TOGETHER + 5, sum(read.widths))

    def bits() -> tuple[Tensor, ...]:
        weights, biases = start.clone().requires_grad_(), torch.zeros(3, TOGETHER + 5)
        each, leaves = with_leaves(read)
        with compiled_blocks(allowed=True):
            outputs = torch.stack(affine_each(each, weights, biases))
        gradients = torch.autograd.grad(outputs.sin().sum(), [weights, *leaves])
        return outputs.detach(), *gradients

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = bits()
        for number in (2, 3, 7):
            torch.set_num_threads(number)
            assert all(map(torch.equal, alone, bits()))
    finally:
        torch.set_num_threads(before)
