from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from tests.unit.modules.interactions import reference
from tests.unit.modules.interactions.making import MIXED, array, layers, linear, rows, shaken

from plait.errors import ArchitectureError, UnknownNameError
from plait.modules.interactions import Entry, FinalMLP
from plait.testing import InteractionContract


class TestFinalMLP(InteractionContract):
    def make(self, entries: Sequence[Entry]) -> FinalMLP:
        return FinalMLP(entries, layers=(6, 4), gate_width=3, dropout=0.1)


class TestFinalMLPWithContexts(InteractionContract):
    def make(self, entries: Sequence[Entry]) -> FinalMLP:
        contexts = (("user",), ("city", "age"))
        return FinalMLP(
            entries, layers=(4,), first_context=contexts[0], second_context=contexts[1], dropout=0.1
        )


@pytest.mark.parametrize("second_context", [(), ("city", "age")])
def test_it_is_the_paper_s_equation(second_context: tuple[str, ...]) -> None:
    net = shaken(
        FinalMLP(
            MIXED,
            layers=(6, 4),
            heads=2,
            gate_width=3,
            first_context=["user"],
            second_context=second_context,
        )
    )
    assert isinstance(net, FinalMLP)
    main = rows(MIXED)
    found = net(main)
    for place, row in enumerate(main.numpy()):
        second = row[4:] if second_context else array(net.gates[1].constant)[0]
        streams = []
        for context, gate, stream in zip((row[:4], second), net.gates, net.streams, strict=True):
            share = reference.final_mlp_gate(context, linear(gate.first), linear(gate.second))
            streams.append(reference.mlp(share * row, layers(stream)))
        products = reference.bilinear_heads(*streams, array(net.products))
        np.testing.assert_allclose(array(found.main[place]), np.concatenate(streams), atol=1e-10)
        np.testing.assert_allclose(array(found.late[place]), products, atol=1e-10, rtol=1e-10)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"no entry 'usr' in FinalMLP\. Did you mean 'user'"):
        FinalMLP(MIXED, first_context=["usr"])
    for wrong in ({"heads": 3}, {"layers": ()}):
        with pytest.raises(ArchitectureError, match=r"`heads` must divide the last of `layers`"):
            FinalMLP(MIXED, **wrong)
    with pytest.raises(ArchitectureError, match=r"`gate_width` must be at least 1, got 0"):
        FinalMLP(MIXED, gate_width=0)
