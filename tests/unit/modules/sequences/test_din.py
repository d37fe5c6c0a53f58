from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.unit.modules.sequences import reference
from tests.unit.modules.sequences.making import array, items_of, linear, ragged, shaken

from plait.errors import ArchitectureError
from plait.modules.sequences import DIN, padded
from plait.testing import SequenceEncoderContract


class TestDIN(SequenceEncoderContract):
    def make(self, in_features: int) -> DIN:
        return DIN(in_features, layers=(6, 5))


class TestDINOfOneLayer(SequenceEncoderContract):
    def make(self, in_features: int) -> DIN:
        return DIN(in_features, layers=(), target="item", aligned=("action",))


@pytest.mark.parametrize("widths", [(6, 5), ()])
def test_it_is_the_paper_s_equation(widths: tuple[int, ...]) -> None:
    encoder = shaken(DIN(4, layers=widths))
    assert isinstance(encoder, DIN)
    values, offsets, targets = ragged(4)
    found = encoder(*padded(values, offsets), targets)
    layers = [linear(each) for each in encoder.linears]
    slopes = np.array([array(each.weight)[0] for each in encoder.activations])
    for row, target in enumerate(targets.numpy()):
        expected = reference.din(items_of(values, offsets, row), target, layers, slopes)
        np.testing.assert_allclose(array(found[row]), expected, atol=1e-10, rtol=0)


def test_the_order_does_not_count() -> None:
    encoder = shaken(DIN(4))
    values, target = torch.randn(1, 3, 4).double(), torch.randn(1, 4).double()
    mask = torch.ones(1, 3, dtype=torch.bool)
    turned = encoder(values.flip(1), mask, target)
    torch.testing.assert_close(encoder(values, mask, target), turned)


def test_a_layer_without_width_is_refused() -> None:
    with pytest.raises(ArchitectureError, match=r"Widths of layers must be positive, got \(0,\)"):
        DIN(4, layers=(0,))
