from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from tests.unit.modules.interactions import reference
from tests.unit.modules.interactions.making import MIXED, array, linear, rows, shaken, tokens_of
from torch import nn

from plait.errors import ArchitectureError, UnknownNameError
from plait.modules.interactions import Entry, MaskNet
from plait.testing import InteractionContract


class TestParallelMaskNet(InteractionContract):
    def make(self, entries: Sequence[Entry]) -> MaskNet:
        return MaskNet(entries, token_width=4, num_blocks=2, width=5)


class TestSerialMaskNet(InteractionContract):
    def make(self, entries: Sequence[Entry]) -> MaskNet:
        return MaskNet(entries, token_width=4, num_blocks=2, width=5, arrangement="serial")


def block(module: nn.Module, guide: reference.Array, read: reference.Array) -> reference.Array:
    norm = (array(module.norm.weight), array(module.norm.bias))
    weight = array(module.linear.weight)
    first, second = linear(module.first), linear(module.second)
    return reference.mask_block(guide, read, first, second, weight, norm)


@pytest.mark.parametrize("arrangement", ["parallel", "serial"])
def test_it_is_the_paper_s_equation(arrangement: str) -> None:
    net = shaken(
        MaskNet(MIXED, token_width=4, num_blocks=3, width=6, widening=0.5, arrangement=arrangement)
    )
    assert isinstance(net, MaskNet)
    gains, shifts = array(net.gains), array(net.shifts)
    main = rows(MIXED)
    for row, found in zip(main.numpy(), net(main).main, strict=True):
        tokens = tokens_of(row, MIXED, net.tokens.maps)
        guide = np.concatenate(tokens)
        normal = [
            reference.layer_norm(t, g, s) for t, g, s in zip(tokens, gains, shifts, strict=True)
        ]
        read = np.concatenate(normal)
        if arrangement == "parallel":
            expected = np.concatenate([block(each, guide, read) for each in net.blocks])
        else:
            for each in net.blocks:
                read = block(each, guide, read)
            expected = read
        np.testing.assert_allclose(array(found), expected, atol=1e-10, rtol=1e-10)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"arrangement of blocks 'serail'\. Did you mean"):
        MaskNet(MIXED, arrangement="serail")
    with pytest.raises(ArchitectureError, match=r"`num_blocks` must be at least 1, got 0"):
        MaskNet(MIXED, num_blocks=0)
    with pytest.raises(ArchitectureError, match="`widening` must be positive, got 0"):
        MaskNet(MIXED, widening=0)
