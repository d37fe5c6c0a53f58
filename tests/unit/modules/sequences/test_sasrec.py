from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.unit.modules.sequences import reference
from tests.unit.modules.sequences.making import LENGTHS, array, block, items_of, ragged, shaken

from plait.errors import ArchitectureError
from plait.modules.sequences import SASRec, padded
from plait.testing import SequenceEncoderContract


class TestSASRec(SequenceEncoderContract):
    def make(self, in_features: int) -> SASRec:
        return SASRec(in_features, heads=2, max_length=5, dropout=0.1)


@pytest.mark.parametrize("heads", [1, 2])
def test_it_is_the_paper_s_equation(heads: int) -> None:
    encoder = shaken(SASRec(4, num_blocks=2, heads=heads, max_length=6))
    assert isinstance(encoder, SASRec)
    values, offsets, _ = ragged(4)
    found = encoder(*padded(values, offsets))
    blocks = [block(each, "before_attention", "before_network") for each in encoder.blocks]
    norm = (array(encoder.norm.weight), array(encoder.norm.bias))
    for row, length in enumerate(LENGTHS):
        if not length:
            assert not found[row].any()
            continue
        items = items_of(values, offsets, row)
        expected = reference.sasrec(items, array(encoder.places), blocks, norm, heads)
        np.testing.assert_allclose(array(found[row]), expected, atol=1e-10, rtol=0)


def test_no_step_sees_a_later_one() -> None:
    encoder = shaken(SASRec(4))
    assert isinstance(encoder, SASRec)
    seen: list[torch.Tensor] = []
    encoder.norm.register_forward_hook(lambda _, read, found: seen.append(read[0]))
    values, mask = torch.randn(1, 4, 4).double(), torch.ones(1, 4, dtype=torch.bool)
    encoder(values, mask)
    encoder(torch.cat([values[:, :3], -values[:, 3:]], dim=1), mask)
    assert torch.equal(seen[0][:, :3], seen[1][:, :3])
    assert not torch.equal(seen[0][:, 3], seen[1][:, 3])


def test_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ArchitectureError, match=r"`heads` must divide .*got 3 heads .* width 4"):
        SASRec(4, heads=3)
    for setting in ("num_blocks", "max_length"):
        with pytest.raises(ArchitectureError, match=rf"`{setting}` must be at least 1, got 0"):
            SASRec(4, **{setting: 0})
