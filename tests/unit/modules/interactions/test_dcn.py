from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from tests.unit.modules.interactions import reference
from tests.unit.modules.interactions.making import MIXED, array, linear, rows, shaken
from torch.testing import assert_close

from plait.errors import ArchitectureError
from plait.modules.interactions import DCNMix, DCNv2, Entry
from plait.testing import InteractionContract


class TestDCNv2(InteractionContract):
    def make(self, entries: Sequence[Entry]) -> DCNv2:
        return DCNv2(entries, num_layers=3)


class TestDCNMix(InteractionContract):
    def make(self, entries: Sequence[Entry]) -> DCNMix:
        return DCNMix(entries, rank=3, num_experts=2)


def test_dcn_v2_is_the_paper_s_equation() -> None:
    cross = shaken(DCNv2(MIXED, num_layers=3))
    assert isinstance(cross, DCNv2)
    layers = [linear(layer) for layer in cross.layers]
    main = rows(MIXED)
    for row, found in zip(main.numpy(), cross(main).main, strict=True):
        np.testing.assert_allclose(
            array(found), reference.dcn_v2(row, layers), atol=1e-10, rtol=1e-10
        )


def test_dcn_mix_is_the_paper_s_equation() -> None:
    cross = shaken(DCNMix(MIXED, num_layers=2, rank=3, num_experts=4))
    assert isinstance(cross, DCNMix)
    layers = []
    for layer in cross.layers:
        into, within, back = (array(getattr(layer, name)) for name in ("into", "within", "back"))
        experts = [(back[e], within[e], into[e].T) for e in range(4)]
        gate = array(layer.gate.weight)
        layers.append((experts, gate, array(layer.bias)))
    main = rows(MIXED)
    for row, found in zip(main.numpy(), cross(main).main, strict=True):
        np.testing.assert_allclose(
            array(found), reference.dcn_mix(row, layers), atol=1e-10, rtol=1e-10
        )


def test_layers_raise_the_degree_one_by_one() -> None:
    """Where W is the identity and b is zero, x becomes x (1 + x) (1 + x (1 + x)) …: by hand."""
    cross = shaken(DCNv2(MIXED, num_layers=2))
    for name, parameter in cross.named_parameters():
        parameter.data.zero_()
        if name.endswith("weight"):
            parameter.data.fill_diagonal_(1.0)
    x = rows(MIXED)
    first = x * x + x
    assert_close(cross(x).main, x * first + first)


@pytest.mark.parametrize("setting", ["num_layers", "rank", "num_experts"])
def test_settings_below_one_are_refused(setting: str) -> None:
    with pytest.raises(ArchitectureError, match=rf"`{setting}` must be at least 1, got 0"):
        DCNMix(MIXED, **{setting: 0})
    with pytest.raises(ArchitectureError, match=r"`num_layers` must be at least 1, got -1"):
        DCNv2(MIXED, num_layers=-1)
