"""Numbers that are not written out give what their encodings give, in value and gradient."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from plait.modules import MLP, ExpertBank, PartlyLearnt, SoftmaxGate, compiled_blocks, whole
from plait.modules.kernels import TOGETHER
from plait.modules.pieces import Pieces, encoded, products


def some(counts: list[int], rows: int) -> Pieces:
    """Numbers at edges, between them, beyond the last one, and missing."""
    generator = torch.Generator().manual_seed(sum(counts) + rows)
    most = torch.tensor(counts, dtype=torch.float32)
    position = torch.rand(rows, len(counts), generator=generator) * (most + 1)
    at_edge = torch.rand(rows, len(counts), generator=generator) < 0.3
    position = torch.where(at_edge, position.floor(), position)
    missing = torch.rand(rows, len(counts), generator=generator) < 0.2
    value = torch.randn(rows, len(counts), generator=generator)
    columns = [value.masked_fill(missing, 0), position.masked_fill(missing, 0), missing.float()]
    return Pieces.of(torch.stack(columns, dim=2).flatten(1), counts)


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


@given(
    counts=st.lists(st.integers(0, 6), min_size=1, max_size=4),
    rows=st.integers(0, 5),
    blocks=st.integers(1, 3),
    width=st.sampled_from([1, 4, TOGETHER, TOGETHER + 3]),
    before=st.integers(0, 2),
)
def test_sums_between_edges_are_products_with_the_encodings(
    counts: list[int], rows: int, blocks: int, width: int, before: int
) -> None:
    pieces = some(counts, rows)
    generator = torch.Generator().manual_seed(width)
    whole_weight = torch.randn(blocks, width, before + pieces.width, generator=generator)
    pull = torch.randn(blocks, rows, width, generator=generator)
    found = []
    for compiled in (True, False):
        weight = whole_weight.clone().requires_grad_()
        with compiled_blocks(allowed=compiled):
            outputs = products(pieces, weight[:, :, before:])
        torch.autograd.backward(outputs, list(pull))
        assert weight.grad is not None
        found.append((torch.stack(outputs), weight.grad))
    for one, other in zip(*found, strict=True):
        assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_the_compiled_form_can_be_differentiated_twice() -> None:
    pieces = some([3, 0, 5], 7)
    start = torch.randn(2, 4, pieces.width)
    found = []
    for compiled in (True, False):
        weight = start.clone().requires_grad_()
        with compiled_blocks(allowed=compiled):
            loss = torch.stack(products(pieces, weight)).tanh().sum()
        (first,) = torch.autograd.grad(loss, weight, create_graph=True)
        (second,) = torch.autograd.grad(first.square().sum(), weight)
        found.append((first.detach(), second))
    for one, other in zip(*found, strict=True):
        assert_close(one, other, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("make", [MLP, ExpertBank, SoftmaxGate])
@pytest.mark.parametrize("known", [0, 2])
@pytest.mark.parametrize("engine", ["torch", "compiled"])
def test_layers_read_pieces_as_they_read_all_columns(
    make: type[MLP | ExpertBank | SoftmaxGate], known: int, engine: str
) -> None:
    torch.manual_seed(0)
    pieces = some([4, 0, 7], 6)
    width = 3 + pieces.width + known
    layer = {
        MLP: lambda: MLP(width, (5, 4)),
        ExpertBank: lambda: ExpertBank(width, 3, (5, 4)),
        SoftmaxGate: lambda: SoftmaxGate(width, 3),
    }[make]()
    given_numbers = torch.randn(6, known)
    start = torch.randn(6, 3)
    found = []
    for written_out in (True, False):
        learnt = start.clone().requires_grad_()
        read = PartlyLearnt(learnt, given_numbers, pieces)
        with compiled_blocks(allowed=engine == "compiled"):
            outputs = layer(whole(read) if written_out else read)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        loss = torch.stack([(output * (n + 1)).tanh().sum() for n, output in enumerate(outputs)])
        parameters = list(layer.parameters())
        gradients = torch.autograd.grad(loss.sum(), [learnt, *parameters])
        found.append((*outputs, *gradients))
    for one, other in zip(*found, strict=True):
        assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_any_number_of_threads_gives_the_same_bits() -> None:
    pieces = some([5, 0, 3, 9], 50)
    start = torch.randn(3, TOGETHER + 5, pieces.width)

    def bits() -> tuple[Tensor, Tensor]:
        weight = start.clone().requires_grad_()
        with compiled_blocks(allowed=True):
            outputs = torch.stack(products(pieces, weight))
        outputs.sin().sum().backward()
        assert weight.grad is not None
        return outputs.detach(), weight.grad

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = bits()
        for number in (2, 3, 7):
            torch.set_num_threads(number)
            assert all(map(torch.equal, alone, bits()))
    finally:
        torch.set_num_threads(before)
