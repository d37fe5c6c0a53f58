from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from tests.unit.modules.interactions import reference
from tests.unit.modules.interactions.making import MIXED, array, rows, shaken, tokens_of

from plait.errors import ArchitectureError
from plait.modules.interactions import AutoInt, Entry
from plait.testing import InteractionContract


class TestAutoInt(InteractionContract):
    def make(self, entries: Sequence[Entry]) -> AutoInt:
        return AutoInt(entries, token_width=4, heads=2, head_width=3)


def test_it_is_the_paper_s_equation() -> None:
    autoint = shaken(AutoInt(MIXED, token_width=4, num_layers=2, heads=2, head_width=3))
    assert isinstance(autoint, AutoInt)
    main = rows(MIXED)
    for row, found in zip(main.numpy(), autoint(main).main, strict=True):
        fields = tokens_of(row, MIXED, autoint.tokens.maps)
        for layer in autoint.layers:
            matrices = [
                np.split(array(getattr(layer, name).weight), 2)
                for name in ("query", "key", "value")
            ]
            fields = reference.autoint(fields, *matrices, array(layer.residual.weight))
        np.testing.assert_allclose(array(found), np.concatenate(fields), atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("setting", ["token_width", "num_layers", "heads", "head_width"])
def test_settings_below_one_are_refused(setting: str) -> None:
    with pytest.raises(ArchitectureError, match=rf"`{setting}` must be at least 1, got 0"):
        AutoInt(MIXED, **{setting: 0})
