from __future__ import annotations

import numpy as np
import pytest
from tests.unit.modules.sequences import reference
from tests.unit.modules.sequences.making import LENGTHS, array, items_of, ragged, shaken

from plait.errors import ArchitectureError
from plait.modules.sequences import GRU4Rec, padded
from plait.testing import SequenceEncoderContract


# What torch says of its own recurrent layers while it exports them.
@pytest.mark.filterwarnings("ignore:The tensor attributes self.gru._flat_weights")
class TestGRU4Rec(SequenceEncoderContract):
    def make(self, in_features: int) -> GRU4Rec:
        return GRU4Rec(in_features, width=3, num_layers=2)


def test_it_is_the_recurrence_of_the_paper() -> None:
    encoder = shaken(GRU4Rec(4, width=3))
    assert isinstance(encoder, GRU4Rec)
    values, offsets, _ = ragged(4)
    found = encoder(*padded(values, offsets))
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    weights = [array(getattr(encoder.gru, name)) for name in names]
    for row in range(len(LENGTHS)):
        expected = reference.gru(items_of(values, offsets, row), tuple(weights))
        np.testing.assert_allclose(array(found[row]), expected, atol=1e-10, rtol=0)


def test_the_state_is_as_wide_as_the_vectors_where_nothing_is_said() -> None:
    assert GRU4Rec(4).out_features == 4


@pytest.mark.parametrize("setting", ["width", "num_layers"])
def test_settings_below_one_are_refused(setting: str) -> None:
    with pytest.raises(ArchitectureError, match=rf"`{setting}` must be at least 1, got 0"):
        GRU4Rec(4, **{setting: 0})
