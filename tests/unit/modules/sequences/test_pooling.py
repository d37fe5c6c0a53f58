from __future__ import annotations

import pytest
import torch
from tests.unit.modules.sequences.making import items_of, ragged
from torch.testing import assert_close

from plait.modules import mean_pool
from plait.modules.sequences import MaxPooling, MeanPooling, SequenceEncoder, SumPooling, padded
from plait.testing import SequenceEncoderContract


class TestMeanPooling(SequenceEncoderContract):
    def make(self, in_features: int) -> MeanPooling:
        return MeanPooling(in_features)


class TestSumPooling(SequenceEncoderContract):
    def make(self, in_features: int) -> SumPooling:
        return SumPooling(in_features)


class TestMaxPooling(SequenceEncoderContract):
    def make(self, in_features: int) -> MaxPooling:
        return MaxPooling(in_features)

    def test_gradients_reach_every_parameter_and_every_value(self) -> None:
        """Only the largest value of a component has a say: by hand."""
        values = torch.tensor([[[1.0, 5.0], [2.0, 4.0], [9.0, 9.0]]], requires_grad=True)
        MaxPooling(2)(values, torch.tensor([[True, True, False]])).sum().backward()
        assert values.grad is not None
        assert values.grad.tolist() == [[[0.0, 1.0], [1.0, 0.0], [0.0, 0.0]]]


@pytest.mark.parametrize(
    ("encoder", "how"), [(MeanPooling(3), "mean"), (SumPooling(3), "sum"), (MaxPooling(3), "amax")]
)
def test_pooling_is_a_loop_over_rows(encoder: SequenceEncoder, how: str) -> None:
    values, offsets, _ = ragged(3)
    found = encoder(*padded(values, offsets))
    for row in range(len(found)):
        items = [torch.tensor(item) for item in items_of(values, offsets, row)]
        expected = torch.zeros(3, dtype=torch.float64)
        if items:
            expected = getattr(torch.stack(items), how)(dim=0)
        assert_close(found[row], expected, atol=1e-12, rtol=0)


def test_the_mean_is_that_of_a_model_without_an_encoder() -> None:
    values, offsets, _ = ragged(3)
    found = MeanPooling(3)(*padded(values, offsets))
    assert_close(found, mean_pool(values, offsets), atol=1e-12, rtol=0)
