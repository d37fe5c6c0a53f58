from __future__ import annotations

from collections.abc import Sequence

import torch
from tests.unit.modules.interactions.making import MIXED, rows

from plait.modules.interactions import Entry, WideDeep
from plait.testing import InteractionContract


class TestWideDeep(InteractionContract):
    def make(self, entries: Sequence[Entry]) -> WideDeep:
        return WideDeep(entries)


def test_the_deep_network_reads_what_it_read_before() -> None:
    wide = WideDeep(MIXED)
    assert torch.equal(wide(rows(MIXED)).main, rows(MIXED))
    assert wide.first_order
    assert not list(wide.parameters())
