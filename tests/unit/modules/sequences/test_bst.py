from __future__ import annotations

import numpy as np
import pytest
from tests.unit.modules.sequences import reference
from tests.unit.modules.sequences.making import array, block, items_of, ragged, shaken

from plait.errors import ArchitectureError
from plait.modules.sequences import BST, padded
from plait.testing import SequenceEncoderContract


class TestBST(SequenceEncoderContract):
    def make(self, in_features: int) -> BST:
        return BST(in_features, max_length=5, dropout=0.1)


@pytest.mark.parametrize("num_blocks", [1, 2])
def test_it_is_the_paper_s_equation(num_blocks: int) -> None:
    encoder = shaken(BST(4, num_blocks=num_blocks, heads=2, max_length=6))
    assert isinstance(encoder, BST)
    values, offsets, targets = ragged(4)
    found = encoder(*padded(values, offsets), targets)
    blocks = [block(each, "after_attention", "after_network") for each in encoder.blocks]
    for row, target in enumerate(targets.numpy()):
        items = items_of(values, offsets, row)
        expected = reference.bst(items, target, array(encoder.places), blocks, 2)
        np.testing.assert_allclose(array(found[row]), expected, atol=1e-10, rtol=0)


def test_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ArchitectureError, match=r"`heads` must divide .*got 3 heads .* width 4"):
        BST(4, heads=3)
    for setting in ("num_blocks", "max_length"):
        with pytest.raises(ArchitectureError, match=rf"`{setting}` must be at least 1, got 0"):
            BST(4, **{setting: 0})
